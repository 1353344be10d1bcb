"""Asking one variant what a probe wants to know."""

from __future__ import annotations

from brinell.core import Progress
from brinell.probes import Asked
from brinell.study.bench import Bench
from brinell.study.environment import machine
from brinell.study.tasks import Task


def ask(bench: Bench, task: Task, progress: Progress) -> None:
    """Ask, and keep the record and what it pictures."""
    planned = task.probe
    if planned is None:
        raise AssertionError(f"{task.id} is not a probe")
    probe = bench.study.probes[planned.kind].probe
    root = bench.root(bench.variants[planned.variant])
    images, labels, ids = (values[: probe.examples] for values in bench.test)
    asked = Asked(
        variant=bench.variant(planned.variant),
        images=images,
        labels=labels,
        ids=ids,
        seed=planned.seed,
        reference=None if root == planned.variant else bench.variant(root),
        weight_bytes=(bench.store.costs(planned.variant) or {}).get("nominal_bytes"),
        machine=machine(),
        progress=progress,
    )
    record, arrays = probe.ask(asked)
    bench.store.write_probe(planned.key, record, arrays)
