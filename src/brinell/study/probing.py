"""Asking one variant what a probe wants to know."""

from __future__ import annotations

from dataclasses import replace

from brinell.core import Progress
from brinell.probes import ProbeInput
from brinell.study.environment import machine
from brinell.study.tasks import Task
from brinell.study.worker_context import WorkerContext


def ask(context: WorkerContext, task: Task, progress: Progress) -> None:
    """Ask, and keep the record and what it pictures."""
    planned = task.probe
    if planned is None:
        raise AssertionError(f"{task.id} is not a probe")
    probe = context.study.probes[planned.kind].probe
    root = context.root(context.variants[planned.variant])
    images, labels, ids = (values[: probe.examples] for values in context.test)
    asked = ProbeInput(
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
    record, arrays = probe.ask(asked)
    context.store.write_probe(planned.key, record, arrays)
