"""Kills of the driver, of workers and of a cluster's nodes at random moments of a small study; its rows are compared.

    python benchmarks/kills.py FOLDER [--executors serial processes ray] [--kills 50] [--seed 0]

The driver is the process that runs the study. It reports its events; after a random number of them and a random part of
a second more, something is ended by SIGKILL: the driver, a worker of its two, or a node of a Ray cluster of three (the
raylet and all of its workers). The same run goes on until it is complete, when its rows are compared with those of an
undisturbed run of the same executor, and a new one begins, until there were so many kills. One line for each executor.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_study import Driver, ExecutorName, command, compare_rows, descendants, undisturbed

VICTIMS = {"serial": ("driver",), "processes": ("driver", "worker"), "ray": ("driver", "worker", "node")}
WORKERS = 2
NODES = 3


@dataclass
class Tally:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    """Of runs that nobody killed."""
    runs: int = 0
    blocks: int = 0
    differing: int = 0


@dataclass
class Disturber:
    """Kills at random moments, reproducibly as far as the machine lets it."""

    executor: ExecutorName
    wanted: int
    events: int
    chance: random.Random
    cluster: Any
    tally: Tally = field(default_factory=Tally)

    @property
    def address(self) -> str:
        """Of the cluster, if there is one."""
        return self.cluster.address if self.cluster else ""

    def compute(self, root: Path) -> None:
        """Run until the study in `root` is complete, whatever is killed."""
        ending = ""
        while ending != "done":
            with Driver(root, self.executor, WORKERS if self.executor != "serial" else None, self.address) as driver:
                self._disturb(driver)
            ending = driver.ending
            if ending:
                self.tally.endings[ending] += 1

    def _disturb(self, driver: Driver) -> None:
        while self.tally.kills.total() < self.wanted:
            victim = self.chance.choice(VICTIMS[self.executor])
            if not driver.pass_events(self.chance.randint(1, max(self.events // 3, 1))):
                return
            time.sleep(self.chance.uniform(0, 0.3))
            if victim == "driver":
                driver.kill()
                self.tally.kills[victim] += 1
                return
            self.tally.kills[victim] += self._kill_worker(driver) if victim == "worker" else self._kill_node()
        while driver.pass_events(1):
            pass

    def _kill_worker(self, driver: Driver) -> bool:
        workers = driver.workers()
        if self.cluster:
            workers = [pid for pid in descendants(os.getpid()) if b"ray::_WorkerActor" in command(pid)]
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.chance.choice(workers), signal.SIGKILL)
        return True

    def _kill_node(self) -> bool:
        node = self.chance.choice(sorted(self.cluster.worker_nodes, key=lambda node: node.unique_id))
        self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(num_cpus=1)
        return True


@contextmanager
def cluster_of(executor: ExecutorName, nodes: int = NODES, cpus: int = NODES) -> Iterator[Any]:
    """A Ray cluster on this machine, of nodes that share `cpus` among them, for the executor that needs one."""
    if executor != "ray":
        yield None
        return
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    from ray.cluster_utils import Cluster

    of_node = cpus // nodes
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": of_node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=of_node)
        yield cluster
    finally:
        cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--executors", nargs="+", choices=VICTIMS, default=list(VICTIMS))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for executor in arguments.executors:
        began, folder = time.monotonic(), arguments.folder / executor
        with cluster_of(executor) as cluster:
            workers = WORKERS if executor != "serial" else None
            events = undisturbed(folder / "undisturbed", executor, workers, cluster.address if cluster else "")
            disturber = Disturber(executor, arguments.kills, events, random.Random(arguments.seed), cluster)  # noqa: S311
            tally = disturber.tally
            while tally.kills.total() < arguments.kills:
                root = folder / f"run{tally.runs}"
                disturber.compute(root)
                blocks, differing = compare_rows(folder / "undisturbed", root)
                tally.runs, tally.blocks, tally.differing = (
                    tally.runs + 1, tally.blocks + blocks, tally.differing + differing,
                )  # fmt: skip
        print(
            f"{executor}: {tally.kills.total()} kills ({dict(tally.kills)}) over {tally.runs} runs in "
            f"{time.monotonic() - began:.0f} s; {tally.blocks} blocks of rows, {tally.differing} differ; "
            f"runs that were not killed ended {dict(tally.endings)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
