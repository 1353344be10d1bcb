"""The dossier: one document that says what was tested, against whom, how, with what result, and what is missing."""

from brinell.reporting.dossier.document import Dossier, dossier, write_dossier
from brinell.reporting.dossier.pdf import print_pdf
from brinell.reporting.dossier.section import DossierSection

__all__ = ["Dossier", "DossierSection", "dossier", "print_pdf", "write_dossier"]
