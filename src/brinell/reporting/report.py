"""`write`: from a run's folder to its report; a pure function of the folder, however much of the run is there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brinell.analysis import load
from brinell.analysis.papers import unread
from brinell.core import StoreError
from brinell.reporting.export import Exhibit, write_exhibit
from brinell.reporting.figures import figures
from brinell.reporting.image_grids import image_grids
from brinell.reporting.page import command, render, render_nothing
from brinell.reporting.palette import styles
from brinell.reporting.tables import tables
from brinell.store import RunStore, write_text

MARKS = ("study.json", "study.yaml", "environment.json", "variants", "trials", "failures", "report")
"""What the folder of a run holds, or held: one of these, or nothing at all."""


@dataclass(frozen=True)
class Report:
    """The page, and what was left out of it, in sentences."""

    page: Path
    problems: tuple[str, ...]


def write(root: str | os.PathLike[str]) -> Path:
    """Write `report/` into the run's folder: the page, whose path is returned, and each exhibit as files.

    What cannot be read is left out and named on the page.

    Raises:
        StoreError: `root` is no run's folder, or the report cannot be written.
    """
    return draw(root).page


def draw(root: str | os.PathLike[str]) -> Report:
    """`write`, and what it had to leave out.

    Raises:
        StoreError: `root` is no run's folder, or the report cannot be written.
    """
    store = _store(Path(root))
    name = Path(root).resolve().name
    page = store.report / "index.html"
    try:
        evaluation = load(store)
    except StoreError as error:
        problem = str(error).replace(f"{store.root}/", "")
        write_text(page, render_nothing(name, problem))
        return Report(page, (problem,))
    problems = [*evaluation.problems, *unread(evaluation)]
    look = styles(evaluation.variants)
    charts, pictures, tabled = figures(evaluation, look), image_grids(evaluation, problems), tables(evaluation)
    written: list[Path] = []
    exhibits: list[Exhibit] = [*charts, *pictures, *(table for section in tabled.values() for table in section)]
    for exhibit in exhibits:
        written += write_exhibit(exhibit, store.report, command(name))
    _sweep(store.report, written)
    write_text(page, render(evaluation, look, charts, tabled, pictures, problems, name))
    return Report(page, tuple(problems))


def _store(root: Path) -> RunStore:
    """The run, even where there is too little of it to open."""
    entries = {path.name for path in root.iterdir()} if root.is_dir() else None
    if entries is None or (entries and not entries.intersection(MARKS)):
        return RunStore.open(root)
    return RunStore(root)


def _sweep(report: Path, written: Iterable[Path]) -> None:
    """Take away what an earlier report drew and this one does not."""
    kept = set(written)
    for folder in ("figures", "tables"):
        for path in (report / folder).glob("*"):
            unfinished = path.name.startswith(".")  # another process may be writing it at this moment
            if path not in kept and path.is_file() and not unfinished:
                path.unlink(missing_ok=True)
