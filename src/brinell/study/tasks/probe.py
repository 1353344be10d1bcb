"""Run one probe on one variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from brinell.core import PlannedProbe, Progress
from brinell.probes import PROBES, ProbeInput
from brinell.store import RunStore
from brinell.study.environment import machine
from brinell.study.tasks.task import Task
from brinell.study.worker_context import WorkerContext


@dataclass(frozen=True, kw_only=True)
class ProbeTask(Task):
    """Its results are a record and, for some probes, arrays. Its id is the probe's key."""

    probe: PlannedProbe

    kind = "asking"

    @property
    def priority(self) -> int:
        """After everything that other tasks wait for."""
        return 3

    @property
    def exclusive(self) -> bool:
        """What measures the machine runs alone."""
        return PROBES[self.probe.kind].exclusive

    def missing(self, store: RunStore, classes: int) -> Self | None:
        """The task, unless its record and arrays are there and whole."""
        return None if store.has_whole_probe(self.probe.key) else self

    def damaged(self, store: RunStore) -> Iterator[str]:
        """The record."""
        if store.has_probe(self.probe.key):
            yield f"probes/{self.probe.key}.json"

    def run(self, context: WorkerContext, progress: Progress) -> None:
        """Run the probe, and keep its record and arrays."""
        planned = self.probe
        probe = context.study.probes[planned.kind].probe
        root = context.root(self.variant)
        images, labels, ids = (values[: probe.examples] for values in context.test)
        record, arrays = probe.ask(
            ProbeInput(
                variant=replace(context.variant(planned.variant), runtime=context.study.runtime),
                images=images,
                labels=labels,
                ids=ids,
                seed=planned.seed,
                reference=None if root == planned.variant else context.variant(root),
                weight_bytes=(context.store.costs(planned.variant) or {}).get("nominal_bytes"),
                machine=machine(),
                progress=progress,
            )
        )
        context.store.write_probe(planned.key, record, arrays)
