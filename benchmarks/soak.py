"""A study again and again under random faults, in one process whose memory, files and processes are counted.

    python benchmarks/soak.py FOLDER [--minutes 60] [--seed 0]

Each round computes the study of `fault_study.py` in a new folder, with one to three of these faults, then goes on in
peace and compares rows with those of an undisturbed run:

- `driver killed`: the run is another process, ended by SIGKILL after a random number of events;
- `worker killed`: one of two worker processes is;
- `interrupted`: Ctrl-C at a random event;
- `disk full`: syncing fails with ENOSPC from a random file on;
- `out of memory`: attacks on more than a random number of images raise the error of a GPU without memory;
- `files damaged`: up to five files of the folder get flipped bits, are cut or go.

After each round the folder is removed and this process is looked at: resident memory, open files, threads, child
processes, shared-memory segments, temporary files. A line a round goes to FOLDER/rounds.csv; the sum is printed last.
"""

from __future__ import annotations

import argparse
import csv
import errno
import gc
import multiprocessing
import os
import random
import resource
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from brinell.attacks.harness import crafting
from brinell.core import StoreError
from brinell.reporting import write
from brinell.store import atomic
from brinell.study import Event, RunStarted, Study, TaskResult, run
from fault_study import (
    STUDY,
    Driver,
    ExecutorName,
    command,
    compare_rows,
    count_statuses,
    descendants,
    fork_workers,
    forked_processes,
    undisturbed,
)

MOST_DAMAGED = 5
ROUNDING = 1e-5
"""That margins may differ by after a batch was halved; everything else of a row is equal."""
WARM = 0.2
"""Share of the rounds after which memory must be flat: by then every module is imported and every cache is full."""


@dataclass(frozen=True)
class State:
    """What this process holds."""

    megabytes: float
    files: int
    threads: int
    processes: int
    shared_memory: int
    temporary: int


class Faults:
    """Each method makes one fault, and returns whether it struck."""

    def __init__(self, chance: random.Random, events: int) -> None:
        self.chance, self.events = chance, events

    def _moment(self) -> int:
        return self.chance.randint(1, self.events)

    def driver_killed(self, root: Path) -> bool:
        with Driver(root, "serial", None) as driver:
            if not driver.pass_events(self._moment()):
                return False
            driver.kill()
        return True

    def worker_killed(self, root: Path) -> bool:
        def kill() -> None:
            os.kill(self.chance.choice(forked_processes()), signal.SIGKILL)

        return self._at_event(root, kill, executor="processes", workers=2)

    def interrupted(self, root: Path) -> bool:
        try:
            return self._at_event(root, lambda: signal.raise_signal(signal.SIGINT))
        except KeyboardInterrupt:
            return True

    def disk_full(self, root: Path) -> bool:
        left, real = self._moment() * 2, atomic._sync

        def sync(path: Path) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(path)

        try:
            with patch.object(atomic, "_sync", sync):
                compute(root)
        except StoreError:
            return True
        return False

    def out_of_memory(self, root: Path) -> bool:
        limit, struck, real = self.chance.randint(1, 9), 0, crafting._craft

        def craft(attack: Any, oracle: Any, part: Any, *more: Any) -> Any:
            nonlocal struck
            if len(part.images) > limit:
                struck += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(attack, oracle, part, *more)

        with patch.object(crafting, "_craft", craft):
            compute(root)
        return struck > 0

    def files_damaged(self, root: Path) -> bool:
        folders = [root / name for name in ("variants", "trials", "scratch", "failures")]
        found = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
        for path in self.chance.sample(found, min(len(found), self.chance.randint(1, MOST_DAMAGED))):
            data, kind = bytearray(path.read_bytes()), self.chance.randrange(3)
            if kind == 0:
                path.unlink()
            elif kind == 1:
                path.write_bytes(data[: self.chance.randint(0, len(data))])
            elif data:
                data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
                path.write_bytes(data)
        return bool(found)

    def _at_event(self, root: Path, act: Callable[[], None], **options: Any) -> bool:
        left, acted = self._moment(), False

        def observe(event: Event) -> None:
            nonlocal left, acted
            left -= not isinstance(event, RunStarted)
            if left <= 0 and not acted and not isinstance(event, RunStarted):
                acted = True
                act()

        compute(root, observe=observe, **options)
        return acted


def compute(root: Path, executor: ExecutorName = "serial", **options: Any) -> tuple[TaskResult, ...]:
    """Go on with the study in `root`."""
    return run(Study.parse(STUDY), out=root, executor=executor, threads=1, **options).endings


def state() -> State:
    """What this process holds now."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    ours = [*forked_processes(), *(pid for pid in descendants(os.getpid()) if not is_helper(command(pid)))]
    return State(
        round(resident, 1),
        len(list(Path("/proc/self/fd").iterdir())),
        threading.active_count(),
        len(ours),
        len(list(Path("/dev/shm").iterdir())),  # noqa: S108
        len(list(Path(tempfile.gettempdir()).iterdir())),
    )


def is_helper(words: bytes) -> bool:
    """Whether it is one of the two processes that Python keeps for `multiprocessing`, or was forked by one."""
    return b"resource_tracker" in words or b"forkserver" in words


@contextmanager
def own_temporary_folder(folder: Path) -> Iterator[None]:
    """Temporary files of this process, and of those that it starts, go to `folder`."""
    folder.mkdir(parents=True)
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), str(folder)
    yield


def run_round(root: Path, expected: Path, faults: Faults, counts: Counter[str]) -> int:
    """One study under faults, to its end; how many blocks of rows differ."""
    names = ["driver_killed", "worker_killed", "interrupted", "disk_full", "out_of_memory", "files_damaged"]
    for name in faults.chance.sample(names, faults.chance.randint(1, 3)):
        counts[name] += getattr(faults, name)(root)
    ended = count_statuses(compute(root))
    counts["tasks not done at the end"] += ended.total() - ended["done"]
    write(root)
    return compare_rows(expected, root, ROUNDING)[1]


def summarize(states: list[State], counts: Counter[str], seconds: float) -> None:
    """Print the figures of all rounds."""
    warm = states[int(len(states) * WARM) :]
    part = max(len(warm) // 5, 1)
    first, last = (statistics.median(one.megabytes for one in some) for some in (warm[:part], warm[-part:]))
    print(f"{len(states)} rounds in {seconds / 60:.1f} minutes; {dict(counts)}")
    print(f"resident memory after warming up: {first:.0f} MiB, at the end {last:.0f} MiB ({last / first - 1:+.1%})")
    for name in ("files", "threads", "processes", "shared_memory", "temporary"):
        values = [getattr(one, name) for one in states]
        text = f"{values[0]} after the first round, {max(values)} at most, {values[-1]} at the end"
        print(f"{name.replace('_', ' ')}: {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    fork_workers()
    began, counts, states = time.monotonic(), Counter[str](), list[State]()
    with own_temporary_folder(folder / "temporary"), (folder / "rounds.csv").open("w", newline="") as file:
        expected = folder / "undisturbed"
        events = undisturbed(expected, "serial", None)
        faults = Faults(random.Random(arguments.seed), events)  # noqa: S311
        table = csv.DictWriter(file, ["round", "seconds", "differing", *State.__dataclass_fields__])
        table.writeheader()
        while time.monotonic() - began < arguments.minutes * 60:
            root = folder / f"run{len(states)}"
            differing = run_round(root, expected, faults, counts)
            counts["blocks that differ"] += differing
            shutil.rmtree(root)
            multiprocessing.active_children()  # reaps those that have ended
            states.append(state())
            seconds = round(time.monotonic() - began, 1)
            table.writerow({"round": len(states), "seconds": seconds, "differing": differing, **asdict(states[-1])})
            file.flush()
    summarize(states, counts, time.monotonic() - began)


if __name__ == "__main__":
    main()
