"""`write`: from a run's folder to its report; a pure function of the folder, however much of the run is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from brinell.analysis import Evaluation, load
from brinell.analysis.labels import file_names, labels
from brinell.analysis.papers import unknown_references
from brinell.core import StoreError, StudyPlan
from brinell.reporting.drawing.palette import styles
from brinell.reporting.export import Exhibit, exhibit_files
from brinell.reporting.figures import figures
from brinell.reporting.image_grids import image_grids
from brinell.reporting.page import command, render, render_nothing
from brinell.reporting.seed_rows import with_seed_rows
from brinell.reporting.tables import tables
from brinell.store import RunStore, named_variant


@dataclass(frozen=True)
class WrittenReport:
    """The page, and what was left out of it, in sentences."""

    page: Path
    problems: tuple[str, ...]
    evaluation: Evaluation | None = None
    """What it was drawn from; `None` where nothing could be read."""


def write(root: str | os.PathLike[str]) -> Path:
    """Write `report/` into the run's folder: the page, whose path is returned, and each exhibit as files.

    What cannot be read is left out and named on the page.

    Args:
        root: Of the run.

    Returns:
        `report/index.html`.

    Raises:
        StoreError: `root` is no run's folder, or the report cannot be written, or would overwrite a file of another.
    """
    return write_with_problems(root).page


def write_with_problems(root: str | os.PathLike[str]) -> WrittenReport:
    """`write`, and what it had to leave out.

    Args:
        root: Of the run.

    Returns:
        The page, what was left out, and the evaluation.

    Raises:
        StoreError: `root` is no run's folder, or the report cannot be written, or would overwrite a file of another.
    """
    store = RunStore.open_for_report(Path(root))
    store.check_report()
    name = Path(root).resolve().name
    try:
        evaluation = load(store)
    except StoreError as error:
        problem = str(error).replace(f"{store.root}/", "")
        return WrittenReport(store.write_report(render_nothing(name, problem), {}, keep_others=True), (problem,))
    problems = [*evaluation.problems, *unknown_references(evaluation)]
    look = styles(evaluation.variants)
    of_names = evaluation.labels_of_names
    shown = [with_seed_rows(table, of_names) for table in tables(evaluation)]
    exhibits: list[Exhibit] = [*figures(evaluation, look), *image_grids(evaluation, problems), *shown]
    files: dict[str, bytes] = {}
    for exhibit in exhibits:
        files |= exhibit_files(exhibit, command(name))
    page = store.write_report(
        render(evaluation, look, exhibits, problems, name, _shipped(store, evaluation.plan)), files
    )
    return WrittenReport(page, tuple(problems), evaluation)


def _shipped(store: RunStore, plan: StudyPlan) -> dict[str, str]:
    """By label, where the page finds the file of a variant that is made."""
    shown, names = labels(plan), file_names(plan)
    found = {shown[key]: named_variant(store, name) for key, name in names.items()}
    return {label: f"../variants/{path.name}" for label, path in found.items() if path is not None}
