"""A run's folder: where each thing lies, and nothing about what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
from numpy.typing import NDArray

from brinell.core import StoreError, StudyPlan
from brinell.store import probe_files, sweep, task_status, variant_files
from brinell.store.atomic import make_folder, remove_file, write_text
from brinell.store.change_token import change_token
from brinell.store.integrity import read_object, read_study_plan, write_object, write_plan
from brinell.store.lock import is_locked, locked
from brinell.store.merged_tables import block_place, read_block_footer, read_block_rows, whole_blocks
from brinell.store.ownership import check_own_folder, check_reported_folder
from brinell.store.report_files import check_report, write_report
from brinell.store.safe_paths import check_tree, exists, safe_path
from brinell.store.tables import write_table
from brinell.store.task_status import Failure, Running

_TIME_REMAINING: Final = ("scratch", "running", "left")


@dataclass(frozen=True)
class RunStore:
    """The folder of one run. Reading needs no lock; writing is done by the one process that holds `lock()`.

    Every path is made by `safe_path`: a name that is not of its pattern, and a link on the way, is a `StoreError`.
    """

    root: Path

    @classmethod
    def open(cls, root: Path) -> Self:
        """An existing run.

        Raises:
            StoreError: `root` is not the folder of a run.
        """
        store = cls(Path(root))
        if not exists(store.root, "study.json"):
            raise StoreError(f"{root} is not a run's folder (it holds no study.json); `brinell run STUDY` makes one")
        return store

    @classmethod
    def open_for_report(cls, root: Path) -> Self:
        """A run, even where too little of it is left to open; raises `StoreError` where it is no run's folder."""
        check_reported_folder(Path(root))
        return cls(Path(root))

    def check_own(self) -> None:
        """See that a run may be written here, which makes nothing.

        Raises:
            StoreError: the folder holds something that is no run, or a link where a run has a file or folder.
        """
        check_own_folder(self.root)
        sweep.check_known_entries(self.root)

    def _path(self, *parts: str) -> Path:
        return safe_path(self.root, *parts)

    @property
    def plan_path(self) -> Path:
        """The resolved study."""
        return self._path("study.json")

    @property
    def report(self) -> Path:
        """Derived pages, tables and figures; may be deleted at will."""
        return self._path("report")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer, and remove what a killed one left half-written.

        Raises:
            StoreError: as `check_own`, or another process holds the lock, or the folder cannot be written.
        """
        self.check_own()
        with locked(self._path(".lock")):
            sweep.sweep(self.root)
            try:
                yield
            finally:
                task_status.remove_record(self._path(*_TIME_REMAINING))

    @property
    def in_use(self) -> bool:
        """Whether a run is at work on this folder; one that was killed is not."""
        return is_locked(self._path(".lock"))

    # The study

    def write_study(self, source: str, plan: StudyPlan, environment: Mapping[str, Any]) -> None:
        """Keep the study as it was written, as it was resolved, and the machine it runs on.

        The plan is first: it tells the folder of a run that is killed here from a stranger's.
        """
        write_plan(self.root, plan.model_dump(mode="json"))
        write_text(self._path("study.yaml"), source)
        write_object(self.root, ("environment.json",), environment)

    def plan(self) -> StudyPlan:
        """The resolved study.

        Raises:
            StoreError: `study.json` is damaged or of another version.
        """
        return read_study_plan(self.root)

    def environment(self) -> dict[str, Any]:
        """Versions, commit and machine of the run; empty where they were never written."""
        return read_object(self.root, "environment.json") if exists(self.root, "environment.json") else {}

    def change_token(self) -> frozenset[tuple[str, int]]:
        """What tells whether results have landed, failed or gone since: every finished one with its time of writing."""
        return change_token(self.root)

    # Variants: a folder whose manifest names files that are all there is done

    def variant(self, key: str) -> Path:
        """Folder of a variant: `variant.brinell`, `costs.json`, `figures.json`, and more where it has them."""
        return self._path("variants", key)

    def variant_file(self, key: str, name: str) -> Path | None:
        """A file in the variant's folder, its content checked; `None` where it has none of this name.

        Raises:
            StoreError: the file is damaged, gone, or of another variant.
        """
        return variant_files.variant_file(self.root, key, name)

    def has_variant(self, key: str) -> bool:
        """Whether the variant's files are all there; their content is not read."""
        return variant_files.has_variant(self.root, key)

    def has_whole_variant(self, key: str) -> bool:
        """Whether the variant's files are all there with the content that was written."""
        return variant_files.is_whole_variant(self.root, key)

    def new_variant(self, key: str) -> AbstractContextManager[Path]:
        """A temporary folder that becomes the variant's when the block ends well, in place of a damaged one."""
        self.variant(key)  # a wrong key is refused here, not when the block begins
        return variant_files.new_variant(self.root, key)

    def costs(self, key: str) -> dict[str, Any] | None:
        """What the variant costs; `None` while it is not made."""
        return variant_files.variant_object(self.root, key, "costs.json")

    def figures(self, key: str) -> list[dict[str, Any]]:
        """What the steps that made the variant noted, the oldest first: records of `kind` and `figures`.

        Raises `StoreError` where the file is not what was written.
        """
        return variant_files.variant_figures(self.root, key)

    # Rows and traces: a file that exists is done; those of a finished trial are merged into one

    def rows_path(self, trial: str, block: str) -> Path:
        """File of one block of one trial."""
        return self._path("trials", trial, f"{block}.parquet")

    def traces_path(self, trial: str, block: str) -> Path:
        """File of one block's traces."""
        return self._path("traces", trial, f"{block}.parquet")

    def has_rows(self, trial: str, block: str) -> bool:
        """Whether a file of the block is there, its own or the merged one of its trial."""
        return block_place(self.root, "trials", trial, block) is not None

    def has_whole_rows(self, trial: str, block: str) -> bool:
        """Whether the block is there with the content that was written."""
        return self.has_rows(trial, block) and block in whole_blocks(self.root, "trials", trial, (block,))

    def write_rows(
        self,
        trial: str,
        block: str,
        rows: pl.DataFrame,
        footer: Mapping[str, Any],
        traces: pl.DataFrame | None = None,
    ) -> None:
        """Keep a block. Its traces are written first: the file of rows is what says that the block is done."""
        if traces is not None:
            write_table(self.traces_path(trial, block), traces, footer, f"traces/{trial}/{block}.parquet")
        write_table(self.rows_path(trial, block), rows, footer, f"trials/{trial}/{block}.parquet")

    def read_rows(self, trial: str, block: str) -> pl.DataFrame:
        """One block's rows; raises `StoreError` where they are damaged, or of another trial or block."""
        return read_block_rows(self.root, "trials", trial, block)

    def rows_footer(self, trial: str, block: str) -> Mapping[str, Any]:
        """What made one block's rows."""
        return read_block_footer(self.root, "trials", trial, block)

    def read_traces(self, trial: str, block: str) -> pl.DataFrame:
        """One block's traces; raises as `read_rows` does."""
        return read_block_rows(self.root, "traces", trial, block)

    # Probes: a record that exists is done

    def probe_path(self, key: str) -> Path:
        """File of a probe's record."""
        return self._path("probes", f"{key}.json")

    def arrays_path(self, key: str) -> Path:
        """File of a probe's arrays."""
        return self._path("arrays", f"{key}.npz")

    def has_probe(self, key: str) -> bool:
        """Whether the probe's record is there."""
        return exists(self.root, "probes", f"{key}.json")

    def has_whole_probe(self, key: str) -> bool:
        """Whether the probe's record and arrays are there with the content that was written."""
        return probe_files.has_whole_probe(self.root, key)

    def write_probe(self, key: str, record: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> None:
        """Keep an answer: the record is what says that the probe is done."""
        probe_files.write_probe(self.root, key, record, arrays)

    def read_probe(self, key: str) -> dict[str, Any]:
        """A probe's record; raises `StoreError` where it is damaged, or of another probe."""
        return probe_files.read_probe(self.root, key)

    def read_arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """A probe's arrays; raises `StoreError` where they are missing, damaged, or of another probe."""
        return probe_files.read_arrays(self.root, key)

    # What failed, what is running

    def write_failure(self, failure: Failure) -> None:
        """Keep a failure until the task succeeds."""
        write_object(self.root, ("failures", f"{failure.task}.json"), asdict(failure))

    def clear_failure(self, task: str) -> None:
        """Forget a failure: the task is tried again or has succeeded."""
        remove_file(self._path("failures", f"{task}.json"))

    def failures(self) -> dict[str, Failure]:
        """Failures by task."""
        return task_status.failures(self.root)

    def write_time_remaining(self, seconds: float, now: float) -> None:
        """Say how many seconds are left, as of `now` (seconds since the epoch)."""
        task_status.write_time_remaining(self._path(*_TIME_REMAINING), seconds, now)

    def time_remaining(self) -> tuple[float, float] | None:
        """Seconds that were left, and when that was said; `None` while nobody knows."""
        return task_status.time_remaining(self._path(*_TIME_REMAINING))

    def write_running(self, running: Running) -> None:
        """Say how far a task is. Not synced, and silent when the disk is full: losing it loses nothing."""
        task_status.write_running(self._path("scratch", "running", f"{running.task}.json"), running)

    def clear_running(self, task: str) -> None:
        """The task has ended."""
        task_status.remove_record(self._path("scratch", "running", f"{task}.json"))

    def running(self) -> dict[str, Running]:
        """Tasks at work, by task; a dead run leaves its last words here until the next run starts."""
        return task_status.running(self.root)

    def scratch(self, key: str) -> Path:
        """Folder for the checkpoints of a variant in the making, made on demand and rid of damaged ones.

        Raises `StoreError` where a link, a named pipe or the like stands in it.
        """
        path = self._path("scratch", key)
        check_tree(self.root, "scratch", key)
        make_folder(path)
        sweep.remove_damaged_checkpoints(self.root, key)
        return path

    def damaged_checkpoints(self, key: str) -> tuple[str, ...]:
        """Checkpoints of the variant that are damaged, by their paths in the run: its making begins again."""
        return tuple(sweep.damaged_checkpoints(self.root, key))

    def clear_scratch(self, key: str) -> None:
        """The variant is made: its checkpoints are of no more use."""
        sweep.remove_known(self.root, "scratch", key)

    # The report

    def check_report(self) -> None:
        """See that a report may write its page here; raises `StoreError` where a page stands that no report wrote."""
        check_report(self.root)

    def write_report(self, page: str, files: Mapping[str, bytes], *, keep_others: bool = False) -> Path:
        """As `report_files.write_report`."""
        return write_report(self.root, page, files, keep_others=keep_others)
