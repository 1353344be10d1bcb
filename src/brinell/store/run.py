"""A run's folder: where each thing lies, and nothing about what it means."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from brinell.core import BrinellError, StoreError, StudyPlan, explain
from brinell.store import task_status
from brinell.store.atomic import atomic_folder, sweep, write_bytes, write_text
from brinell.store.filesystem import is_file, is_folder
from brinell.store.lock import is_locked, locked
from brinell.store.tables import read_footer, read_table, write_table
from brinell.store.task_status import Failure, Running, read_json


@dataclass(frozen=True)
class RunStore:
    """The folder of one run. Reading needs no lock; writing is done by the one process that holds `lock()`."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Self:
        """An existing run.

        Raises:
            StoreError: `root` is not the folder of a run.
        """
        store = cls(Path(root))
        if not is_file(store.plan_path):
            raise StoreError(f"{root} is not a run's folder (it holds no study.json); `brinell run STUDY` makes one")
        return store

    @property
    def plan_path(self) -> Path:
        """The resolved study."""
        return self.root / "study.json"

    @property
    def report(self) -> Path:
        """Derived pages, tables and figures; may be deleted at will."""
        return self.root / "report"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer, and sweep away what a killed one left half-written."""
        with locked(self.root / ".lock"):
            sweep(self.root)
            shutil.rmtree(self.root / "scratch" / "running", ignore_errors=True)
            try:
                yield
            finally:
                self._left_path.unlink(missing_ok=True)

    @property
    def in_use(self) -> bool:
        """Whether a run is at work on this folder; one that was killed is not."""
        return is_locked(self.root / ".lock")

    # The study

    def write_study(self, source: str, plan: StudyPlan, environment: Mapping[str, Any]) -> None:
        """Keep the study as it was written, as it was resolved, and the machine it runs on."""
        write_text(self.root / "study.yaml", source)
        write_text(self.root / "environment.json", _json(environment))
        write_text(self.plan_path, plan.model_dump_json(indent=1))

    def plan(self) -> StudyPlan:
        """The resolved study.

        Raises:
            StoreError: `study.json` is damaged or of another version.
        """
        try:
            return StudyPlan.model_validate_json(self.plan_path.read_bytes())
        except ValidationError as error:
            raise StoreError(f"{self.plan_path} is damaged: {explain(error, '', StudyPlan)}") from None
        except OSError as error:
            raise StoreError(f"cannot read {self.plan_path}: {error.strerror}") from error

    def environment(self) -> dict[str, Any]:
        """Versions, commit and machine of the run; empty where they were never written."""
        path = self.root / "environment.json"
        return read_json(path) if is_file(path) else {}

    def change_token(self) -> frozenset[tuple[str, int]]:
        """What tells whether results have landed, failed or gone since: every finished one with its time of writing."""
        found = set()
        for pattern in ("study.json", "variants/[!.]*", "trials/*/[!.]*", "probes/[!.]*", "failures/[!.]*"):
            for path in self.root.glob(pattern):
                with suppress(OSError):  # gone while we look
                    found.add((str(path.relative_to(self.root)), path.stat().st_mtime_ns))
        return frozenset(found)

    # Variants: a folder that exists is done

    def variant(self, key: str) -> Path:
        """Folder of a variant: `variant.brinell`, `costs.json`, `figures.json`, and more where it has them."""
        return self.root / "variants" / key

    def has_variant(self, key: str) -> bool:
        """Whether the variant is made."""
        return is_folder(self.variant(key))

    def new_variant(self, key: str) -> AbstractContextManager[Path]:
        """A temporary folder that becomes the variant's when the block ends well."""
        return atomic_folder(self.variant(key))

    def costs(self, key: str) -> dict[str, Any] | None:
        """What the variant costs; `None` while it is not made."""
        path = self.variant(key) / "costs.json"
        return read_json(path) if is_file(path) else None

    def figures(self, key: str) -> list[dict[str, Any]]:
        """What the steps that made the variant noted, the oldest first: records of `kind` and `figures`.

        Raises:
            StoreError: the file is not what was written.
        """
        path = self.variant(key) / "figures.json"
        steps = read_json(path).get("steps") if is_file(path) else []
        if not isinstance(steps, list):
            raise StoreError(f"{path} holds no list of steps")
        return steps

    # Rows and traces: a file that exists is done

    def rows_path(self, trial: str, block: str) -> Path:
        """File of one block of one trial."""
        return self.root / "trials" / trial / f"{block}.parquet"

    def traces_path(self, trial: str, block: str) -> Path:
        """File of one block's traces."""
        return self.root / "traces" / trial / f"{block}.parquet"

    def has_rows(self, trial: str, block: str) -> bool:
        """Whether the block is judged."""
        return is_file(self.rows_path(trial, block))

    def has_whole_rows(self, trial: str, block: str) -> bool:
        """Whether the block's file is there to its last bytes, which say what made it; the rows are not read."""
        if not self.has_rows(trial, block):
            return False
        try:
            read_footer(self.rows_path(trial, block))
        except StoreError:
            return False
        return True

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
            write_table(self.traces_path(trial, block), traces, footer)
        write_table(self.rows_path(trial, block), rows, footer)

    def read_rows(self, trial: str, block: str) -> pl.DataFrame:
        """One block's rows."""
        return read_table(self.rows_path(trial, block))

    def read_traces(self, trial: str, block: str) -> pl.DataFrame:
        """One block's traces."""
        return read_table(self.traces_path(trial, block))

    # Probes: a record that exists is done

    def probe_path(self, key: str) -> Path:
        """File of a probe's record."""
        return self.root / "probes" / f"{key}.json"

    def arrays_path(self, key: str) -> Path:
        """File of a probe's arrays."""
        return self.root / "arrays" / f"{key}.npz"

    def has_probe(self, key: str) -> bool:
        """Whether the probe is answered."""
        return is_file(self.probe_path(key))

    def write_probe(self, key: str, record: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> None:
        """Keep an answer. Its arrays are written first: the record is what says that the probe is done."""
        if arrays is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            write_bytes(self.arrays_path(key), buffer.getvalue())
        write_text(self.probe_path(key), _json(record))

    def read_probe(self, key: str) -> dict[str, Any]:
        """A probe's record."""
        return read_json(self.probe_path(key))

    def read_arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """A probe's arrays.

        Raises:
            StoreError: the file is missing or damaged.
        """
        path = self.arrays_path(key)
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except OSError as error:
            raise StoreError(f"cannot read the arrays {path}: {error.strerror or error}") from error
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise StoreError(f"cannot read the arrays {path}: the file is damaged") from error

    # What failed, what is running

    def write_failure(self, failure: Failure) -> None:
        """Keep a failure until the task succeeds."""
        write_text(self.root / "failures" / f"{failure.task}.json", _json(asdict(failure)))

    def clear_failure(self, task: str) -> None:
        """Forget a failure: the task is tried again or has succeeded."""
        (self.root / "failures" / f"{task}.json").unlink(missing_ok=True)

    def failures(self) -> dict[str, Failure]:
        """Failures by task."""
        return task_status.failures(self.root / "failures")

    @property
    def _left_path(self) -> Path:
        return self.root / "scratch" / "running" / "left"

    def write_time_remaining(self, seconds: float, now: float) -> None:
        """Say how many seconds are left, as of `now` (seconds since the epoch)."""
        self._mention(self._left_path, {"seconds": seconds, "said": now})

    def time_remaining(self) -> tuple[float, float] | None:
        """Seconds that were left, and when that was said; `None` while nobody knows."""
        try:
            record = read_json(self._left_path)
            return float(record["seconds"]), float(record["said"])
        except (BrinellError, KeyError, TypeError, ValueError):
            return None

    def write_running(self, running: Running) -> None:
        """Say how far a task is. Not synced, and silent when the disk is full: losing it loses nothing."""
        self._mention(self.root / "scratch" / "running" / f"{running.task}.json", asdict(running))

    def _mention(self, path: Path, record: Mapping[str, Any]) -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_text(_json(record))
            temporary.replace(path)

    def clear_running(self, task: str) -> None:
        """The task has ended."""
        (self.root / "scratch" / "running" / f"{task}.json").unlink(missing_ok=True)

    def running(self) -> dict[str, Running]:
        """Tasks at work, by task; a dead run leaves its last words here until the next run starts."""
        return task_status.running(self.root / "scratch" / "running")

    def scratch(self, key: str) -> Path:
        """Folder for the checkpoints of a variant in the making; created on demand."""
        path = self.root / "scratch" / key
        path.mkdir(parents=True, exist_ok=True)
        return path

    def clear_scratch(self, key: str) -> None:
        """The variant is made: its checkpoints are of no more use."""
        shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=str) + "\n"
