"""`brinell dossier`: one document for those who decide whether a network may be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.display.console import Debug, RunFolder, out

HELP = """Write the dossier of a run: dossier.json, dossier.html, and dossier.pdf by a headless browser.

It holds the item under test with hashes, versions and runtime; the threat model in the terms of NIST AI 100-2; the data
with its fingerprint; how the networks were attacked and whether that was enough; results with bounds; verdicts on
requirements; deviations; what is missing; and a manifest of hashes. The PDF takes Chromium or Chrome.

[bold]Examples[/]

$ brinell dossier runs/quickstart

$ brinell dossier runs/quickstart pruned --out release/dossier --no-pdf
"""


def dossier(
    folder: RunFolder,
    variants: Annotated[
        list[str] | None, typer.Argument(metavar="VARIANT...", help="Networks that it is on (default: all made).")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the files (default: RUN-dossier).")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Whether to write the PDF.")] = True,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.reporting.dossier import write_dossier

    place = target or folder.resolve().with_name(f"{folder.resolve().name}-dossier")
    for file in write_dossier(folder, place, variants or (), pdf=pdf):
        out.print(str(file), markup=False, soft_wrap=True)
