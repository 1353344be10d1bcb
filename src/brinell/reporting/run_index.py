"""One page over many runs: what each is, how far it is, what came of it, and where its report is."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from brinell.analysis import Evaluation, load
from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, requirements
from brinell.core import BrinellError, StoreError
from brinell.core.records import printable
from brinell.reporting.summary import summary
from brinell.reporting.templates import template_environment
from brinell.store import RunStore, write_text

_MARK: Final = '<meta name="generator" content="brinell index">'
"""What tells a page that this wrote from a user's own."""
_DEEPEST: Final = 3
"""Levels of folders in which runs are looked for."""


@dataclass(frozen=True)
class IndexedRun:
    """What the page says of one run."""

    folder: str
    """As seen from the page."""
    study: str = ""
    data: str = ""
    variants: int = 0
    examples: int = 0
    done: int = 0
    """Variants that are made."""
    smallest: int | None = None
    """Bytes of the smallest file."""
    requirements: str = ""
    sentences: tuple[str, ...] = ()
    report: str = ""
    """Address of its report, where there is one."""
    problem: str = ""
    """Why nothing else is known."""


def write_index(folder: str | os.PathLike[str]) -> Path:
    """Write `index.html` into a folder of runs; a run that cannot be read is listed with the reason.

    Returns:
        The page.

    Raises:
        StoreError: there is no run in the folder, or another `index.html`, or it cannot be written.
    """
    root = Path(folder)
    page = root / "index.html"
    runs = [_indexed(root, place) for place in find_runs(root)]
    if not runs:
        raise StoreError(f"there is no run in {root} (no folder that holds a study.json)")
    if page.is_symlink() or (page.exists() and _MARK not in _beginning(page)):
        raise StoreError(f"{page} is not a page of brinell index; move it away, or give another folder")
    write_text(
        page,
        template_environment().get_template("runs.html.j2").render(runs=runs, folder=printable(root.resolve().name)),
    )
    return page


def find_runs(root: Path) -> list[Path]:
    """Folders of runs, sorted; links are not followed, and runs hold no runs.

    Raises:
        StoreError: there is no such folder.
    """
    if not root.is_dir():
        raise StoreError(f"there is no folder {root}")
    found, level = [], [root]
    for _ in range(_DEEPEST + 1):
        found += [place for place in level if (place / "study.json").is_file()]
        level = [child for place in level if place not in found for child in _folders(place)]
    return sorted(found)


def _folders(place: Path) -> list[Path]:
    try:
        return [
            child for child in place.iterdir() if child.is_dir() and not child.is_symlink() and child.name[0] != "."
        ]
    except OSError:
        return []


def _beginning(page: Path) -> str:
    with page.open(encoding="utf-8", errors="replace") as file:
        return file.read(1000)


def _indexed(root: Path, place: Path) -> IndexedRun:
    folder = place.relative_to(root).as_posix()
    try:
        store = RunStore.open(place)
        evaluation = load(store)
    except BrinellError as error:
        return IndexedRun(printable(folder), problem=printable(str(error).splitlines()[0]))
    report = store.report / "index.html"
    sizes = evaluation.variants["encoded_bytes"].drop_nulls()
    return IndexedRun(
        printable(folder),
        study=evaluation.plan.name,
        data=evaluation.plan.dataset,
        variants=len(evaluation.variants),
        examples=evaluation.plan.examples,
        done=int((evaluation.variants["state"] == "done").sum()),
        smallest=None if sizes.is_empty() else int(sizes.min()),  # type: ignore[arg-type]
        requirements=_verdicts(evaluation),
        sentences=_sentences(evaluation),
        report=quote(report.relative_to(root).as_posix()) if report.is_file() else "",
    )


def _verdicts(evaluation: Evaluation) -> str:
    counts = Counter(requirements(evaluation)["verdict"])
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in (NOT_MET, UNDECIDED, MET) if counts[verdict])


def _sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """The answers of its limits where it has some, and otherwise the best trade-offs."""
    return tuple("".join(map(str, sentence)) for sentence in summary(evaluation).lead)
