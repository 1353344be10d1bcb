"""`write`: from a run's folder to its report; a pure function of the folder, however much of the run is there."""

from __future__ import annotations

import os
from pathlib import Path

from brinell.analysis import load
from brinell.reporting.export import write_figure, write_table
from brinell.reporting.figures import figures
from brinell.reporting.page import render
from brinell.reporting.palette import styles
from brinell.reporting.tables import tables
from brinell.store import RunStore, write_text


def write(root: str | os.PathLike[str]) -> Path:
    """Write `report/` into the run's folder: the page, whose path is returned, and each figure and table as files.

    Raises:
        StoreError: `root` is no run's folder, its `study.json` is damaged, or the report cannot be written.
    """
    store = RunStore.open(Path(root))
    evaluation = load(store)
    look = styles(evaluation.variants)
    drawn, tabled = figures(evaluation, look), tables(evaluation)
    for figure in drawn:
        write_figure(figure, store.report / "figures")
    for section in tabled.values():
        for table in section:
            write_table(table, store.report / "tables")
    page = store.report / "index.html"
    write_text(page, render(evaluation, look, drawn, tabled, Path(root).resolve().name))
    return page
