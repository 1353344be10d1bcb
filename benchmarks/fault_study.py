"""The study that `kills.py` and `soak.py` disturb, the process that computes it, and the comparison of two runs.

The process that computes, and worker processes, are forked by a server that has imported everything: they start in an
instant, and die in their work instead of in their imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl

from brinell.store import RunStore
from brinell.study import Event, RunStarted, Study, TaskResult, run

ExecutorName = Literal["serial", "processes", "ray"]
STUDY = {
    "name": "faults",
    "data": {"kind": "digits", "train": {"holdout": 97, "examples": 640}, "test": {"examples": 40}},
    "models": {"small": {"kind": "resnet8", "width": 2}},
    "variants": {
        "base": {"model": "small", "train": {"epochs": 1, "batch_size": 64}},
        "pruned": {"from": "base", "compress": {"kind": "prune", "train": {"epochs": 1, "batch_size": 64}}},
    },
    "attacks": {
        "fgsm": {"kind": "fgsm", "sweep": {"epsilon": ["8/255", "16/255"]}},
        "pgd": {"kind": "pgd", "epsilon": "16/255", "sweep": {"steps": [1, 3]}},
    },
    "probes": {"masking": False},
    "block": 10,
}
"""Two variants that train, and 24 blocks of rows: 26 tasks."""
_PRELOADED = ("brinell.study", "brinell.study.executors.processes", "lightning_fabric", "sklearn.datasets")


def fork_workers() -> Any:
    """Let every process of this one be forked by the server, and return the server's `multiprocessing` context."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    multiprocessing.get_context = lambda method=None: context  # type: ignore[assignment]
    return context


class Driver:
    """A run in a process of its own, which sends a word for each of its events, and last how it ended."""

    def __init__(self, root: Path, executor: ExecutorName, workers: int | None, address: str = "") -> None:
        context = fork_workers()
        self.events, child = context.Pipe(duplex=False)
        self.process = context.Process(target=_drive, args=(root, executor, workers, address, child))
        self.process.start()
        child.close()
        self.ending = ""
        """`done`, `failed` or the error; empty where the process was killed."""

    def pass_events(self, count: int) -> bool:
        """Wait for so many events; false where the run ends before."""
        try:
            for _ in range(count):
                event = self.events.recv()
                if event.startswith("ended "):
                    self.ending = event.removeprefix("ended ")
                    return False
        except EOFError:
            return False
        return True

    def kill(self) -> None:
        """End the process by SIGKILL."""
        if self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def workers(self) -> list[int]:
        """Its worker processes."""
        return [pid for pid in forked_processes() if pid != self.process.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.join()
        self.events.close()
        self.process.close()


def forked_processes() -> list[int]:
    """What the server has forked for this process and those that it forked."""
    return descendants(forkserver._forkserver._forkserver_pid or 0)  # type: ignore[attr-defined]


def _drive(root: Path, executor: ExecutorName, workers: int | None, address: str, events: Connection) -> None:
    fork_workers()
    forkserver._forkserver.ensure_running = lambda: None  # the server that forked this process forks its workers, too
    if address:
        os.environ["RAY_ADDRESS"] = address

    def observe(event: Event) -> None:
        events.send("started" if isinstance(event, RunStarted) else "event")

    try:
        done = run(Study.parse(STUDY), out=root, executor=executor, workers=workers, threads=1, observe=observe)
    except Exception as error:
        events.send(f"ended {type(error).__name__}: {error}")
        return
    bad = {ending.status for ending in done.endings} - {"done"}
    events.send(f"ended {'failed' if bad else 'done'}")


def undisturbed(root: Path, executor: ExecutorName, workers: int | None, address: str = "") -> int:
    """Compute the study in `root`, and return how many events that took."""
    count = 0
    with Driver(root, executor, workers, address) as driver:
        while driver.pass_events(1):
            count += 1
    assert driver.ending == "done", driver.ending
    return count


def compare_rows(expected: Path, root: Path, rounding: float = 0.0) -> tuple[int, int]:
    """Blocks of rows of two runs: how many there are, and how many of them differ or are missing in `root`.

    Margins are logits, which are rounded otherwise where a batch was halved; they may differ by `rounding`.
    """
    one, other = RunStore(expected), RunStore(root)
    blocks = [(trial.key, block.name) for trial in one.plan().trials for block in trial.blocks]
    equal = (
        other.has_whole_rows(*block) and _equal(one.read_rows(*block), other.read_rows(*block), rounding)
        for block in blocks
    )
    return len(blocks), len(blocks) - sum(equal)


def _equal(one: pl.DataFrame, other: pl.DataFrame, rounding: float) -> bool:
    if not one.drop("margin").equals(other.drop("margin")):
        return False
    return bool(((one["margin"] - other["margin"]).abs() <= rounding).all())


def descendants(pid: int) -> list[int]:
    """Processes that `pid` has started, and theirs."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    except OSError:
        pass  # it ends this moment
    return found


def command(pid: int) -> bytes:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def count_statuses(endings: tuple[TaskResult, ...]) -> Counter[Any]:
    """How many tasks ended how."""
    return Counter(ending.status for ending in endings)
