"""`brinell.archive` and `brinell.restore`: a run in few files, and back."""

from __future__ import annotations

import os
from pathlib import Path

from brinell.analysis.labels import file_names
from brinell.store import RunStore, name_variants, restore_archive, write_archive


def archive(run: str | os.PathLike[str], folder: str | os.PathLike[str], *, networks: bool = True) -> list[str]:
    """Write what a report needs of a run to a new folder, in few files: for a repository, a download or a paper.

    All rows are in `rows.parquet`, all traces in `traces.parquet`; the study, what variants cost and what probes found
    lie beside them. Images of the data (the gallery, activation maps), latent weights and checkpoints are left out.

    Args:
        run: Folder of the run, finished or not.
        folder: A new or empty folder.
        networks: Whether the `.brinell` files are included.

    Returns:
        What of the run is damaged and left out, in sentences.

    Raises:
        StoreError: `run` is no run's folder, its plan is damaged, `folder` is not empty or cannot be written.

    Examples:
        >>> archive("runs/missing", "archives/missing")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        brinell.core.errors.StoreError: runs/missing is not a run's folder (it holds no study.json); ...
    """
    return write_archive(Path(run), Path(folder), networks=networks)


def restore(archive: str | os.PathLike[str], run: str | os.PathLike[str]) -> Path:
    """Make the folder of a run of an archive: `brinell.report` draws its page, `brinell.run` makes what it lacks.

    Args:
        archive: Folder that `brinell.archive` wrote. It may come from a stranger: everything in it is checked.
        run: A new or empty folder.

    Returns:
        `run`.

    Raises:
        StoreError: `archive` is none or is damaged, `run` is not empty or cannot be written.

    Examples:
        >>> restore("archives/missing", "runs/missing")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        brinell.core.errors.StoreError: archives/missing is not an archive (it holds no blocks.parquet); ...
    """
    target = Path(run)
    restore_archive(Path(archive), target)
    store = RunStore.open(target)
    name_variants(store, file_names(store.plan()))
    return target
