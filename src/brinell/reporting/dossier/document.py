"""From a run's folder to its dossier: JSON always, a page without scripts, and a PDF of it where there is a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from brinell.analysis import load
from brinell.core import ConfigurationError, choices
from brinell.reporting.dossier.adequacy import adequacy
from brinell.reporting.dossier.gaps import deviations, missing
from brinell.reporting.dossier.item_under_test import data, item_under_test
from brinell.reporting.dossier.manifest import manifest
from brinell.reporting.dossier.pdf import print_pdf
from brinell.reporting.dossier.results import results, verdicts
from brinell.reporting.dossier.section import DossierSection, Value
from brinell.reporting.dossier.threat_model import threat_model
from brinell.reporting.templates import template_environment
from brinell.store import RunStore, write_text

FORMAT: Final = "brinell-dossier-1"


@dataclass(frozen=True)
class Dossier:
    """All sections, in their order."""

    study: str
    sections: tuple[DossierSection, ...]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        sections = {section.name: section.record() for section in self.sections}
        return {"format": FORMAT, "made_by": f"brinell {version('brinell')}", "study": self.study, **sections}

    def page(self) -> str:
        """The document in HTML, for people and printers; no scripts, nothing fetched."""
        return template_environment().get_template("dossier.html.j2").render(dossier=self, cell=_cell)


def _cell(value: Value) -> str:
    """A value as the page shows it."""
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def dossier(run: str | os.PathLike[str], variants: Sequence[str] = ()) -> Dossier:
    """The dossier of some variants of a run, or of all that are made.

    Args:
        run: Its folder.
        variants: Their names.

    Returns:
        Sections, each as records and as HTML.

    Raises:
        ConfigurationError: the run has no such variant.
        StoreError: `run` is no run's folder, or its plan is damaged.
    """
    store = RunStore.open(Path(run))
    evaluation = load(store)
    known = evaluation.variants["variant"].to_list()
    for name in variants:
        if name not in known:
            raise ConfigurationError(f"{store.root}: there is no {name!r}; {choices(name, known)}")
    chosen = list(variants) or [
        row["variant"] for row in evaluation.variants.iter_rows(named=True) if row["state"] == "done"
    ]
    return Dossier(
        evaluation.plan.name,
        (
            item_under_test(evaluation, store, chosen),
            threat_model(evaluation, chosen),
            data(evaluation),
            adequacy(evaluation, chosen),
            results(evaluation, chosen),
            verdicts(evaluation, chosen),
            deviations(evaluation, chosen, evaluation.problems),
            missing(evaluation, chosen),
            manifest(store),
        ),
    )


def write_dossier(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    variants: Sequence[str] = (),
    *,
    pdf: bool = True,
) -> list[Path]:
    """Write `dossier.json` and `dossier.html` to a folder, and with `pdf` the page as `dossier.pdf`.

    Args:
        run: Its folder.
        folder: Where the files go.
        variants: Their names; all that are made by default.
        pdf: Print the page, too, by Chromium.

    Returns:
        The files.

    Raises:
        ConfigurationError: the run has no such variant; or there is no browser, after the other files are written.
        StoreError: the run cannot be read, or the folder not be written.
    """
    found, target = dossier(run, variants), Path(folder)
    files = [target / "dossier.json", target / "dossier.html"]
    write_text(files[0], json.dumps(found.record(), indent=1, allow_nan=False) + "\n")
    write_text(files[1], found.page())
    if pdf:
        files.append(target / "dossier.pdf")
        print_pdf(files[1], files[2])
    return files
