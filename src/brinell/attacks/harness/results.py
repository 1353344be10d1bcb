"""Rows: what the judge says of one chunk at every point, and chunks joined to a trial's result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brinell.attacks.harness.attack import Attack, Batch, Chunk, Crafted
from brinell.attacks.harness.diagnostics import Diagnostics
from brinell.attacks.harness.fast_forms import Scores
from brinell.attacks.harness.predictions import Predictions, predict, rounded_to_bytes
from brinell.core import Point
from brinell.nn import distances

Columns = dict[str, np.ndarray[Any, Any]]
AUTO = 128
"""Images times epsilons a chunk: large enough to keep the cores busy, small enough for their caches."""


@dataclass(frozen=True)
class TrialResult:
    """Rows of `ROW_SCHEMA`, point-major; traces of `TRACE_SCHEMA`; the judged images `(P, N, C, H, W)` where asked."""

    rows: Columns
    traces: dict[str, list[Any]] | None
    adversarials: Tensor | None
    computation: Diagnostics = field(default_factory=Diagnostics)


@dataclass(frozen=True)
class Part:
    """One chunk's columns `(P, n)`, before they are joined."""

    columns: dict[str, Any]
    traces: dict[str, list[Any]] | None
    images: Tensor | None


def chunk_rows(
    attack: Attack,
    network: Scores,
    chunk: Chunk,
    points: Sequence[Point],
    clean: Columns,
    rounded: bool,
    keep_images: bool,
) -> Part:
    """Clip and judge every point of one chunk."""
    batch, crafted, spare = chunk.batch, chunk.crafted, chunk.spare
    before = {name: clean[name][chunk.start : chunk.stop] for name in ("prediction", "rank", "margin")}
    columns: dict[str, list[Any]] = {}
    judged_images = []
    for row, point in enumerate(points):
        images = attack.clip(crafted.images[row], batch.images, point.epsilon)
        found = _judge_moved(network, images, batch, spare, before)
        far = {name: host(value) for name, value in distances(batch.images, images).items()}
        eight = _rounded(network, images, batch, spare, before) if rounded else {}
        counts = _counts(crafted, row, point, found)
        own = {
            **prediction_columns(found),
            **far,
            **eight,
            **counts,
            "example_id": host(batch.ids),
            "label": host(batch.labels),
            "target": None if batch.targets is None else host(batch.targets),
            "epsilon": None if point.epsilon is None else np.full(len(images), point.epsilon),
            "steps": np.full(len(images), point.steps, dtype=np.int32),
            "clean_prediction": before["prediction"],
            "clean_rank": before["rank"],
            "status": np.where(host(spare), "spared", "attacked"),
        }
        for name, value in own.items():
            columns.setdefault(name, []).append(value)
        judged_images.append(images.cpu() if keep_images else None)
    kept = torch.stack([image for image in judged_images if image is not None]) if keep_images else None
    return Part(columns, crafted.traces, kept)


def _judge_moved(network: Scores, images: Tensor, batch: Batch, spare: Tensor, before: dict[str, Any]) -> Predictions:
    """Judge what was moved; what was spared is the clean image, whose verdict is known."""
    moved = (~spare).nonzero()[:, 0]
    targets = None if batch.targets is None else batch.targets[moved]
    known = [torch.as_tensor(before[name], device=images.device) for name in ("prediction", "rank", "margin")]
    if len(moved) == 0:
        return Predictions(known[0], known[1], known[2], None)
    found = predict(network, images[moved], batch.labels[moved], targets, AUTO)
    if len(moved) == len(images):
        return found
    whole = [value.clone() for value in known]
    for value, new in zip(whole, found[:3], strict=True):
        value[moved] = new.to(value.dtype)
    return Predictions(whole[0], whole[1], whole[2], None)


def _rounded(network: Scores, images: Tensor, batch: Batch, spare: Tensor, before: dict[str, Any]) -> dict[str, Any]:
    """The verdict on 8-bit images; masked where rounding makes it void."""
    near, void = rounded_to_bytes(images, batch.images)
    found = _judge_moved(network, near, batch, spare | void, before)
    gone = host(void)
    return {
        "prediction_rounded": np.ma.array(host(found.prediction), mask=gone),
        "rank_rounded": np.ma.array(host(found.rank), mask=gone),
    }


def _counts(crafted: Crafted, row: int, point: Point, found: Predictions) -> dict[str, Any]:
    """What crafting took. A success that only the judge saw, at the last iterate, came with the last step."""
    success = found.rank > 0 if found.target_rank is None else found.target_rank == 0
    seen = crafted.first_success_step[row]
    first = host(torch.where((seen == -1) & success, point.steps, seen))
    return {
        "first_success_step": np.ma.array(first, mask=first == -1),
        "restart": host(crafted.restart[row]),
        "forwards": host(crafted.forwards[row]),
        "backwards": host(crafted.backwards[row]),
        "queries": None if crafted.queries is None else host(crafted.queries[row]),
        "zero_gradients": None if crafted.zero_gradients is None else host(crafted.zero_gradients[row]),
    }


def prediction_columns(found: Predictions) -> dict[str, Any]:
    """A verdict's columns, by the names of `ROW_SCHEMA`."""
    return {
        "prediction": host(found.prediction),
        "rank": host(found.rank),
        "margin": host(found.margin),
        "target_rank": None if found.target_rank is None else host(found.target_rank),
    }


def joined(parts: list[Part], points: int, computation: Diagnostics) -> TrialResult:
    """Chunks side by side, point-major."""
    rows: Columns = {}
    for name in parts[0].columns:
        ordered = [
            (part.columns[name][point], part.columns["label"][point]) for point in range(points) for part in parts
        ]
        known = [values for values, _ in ordered if values is not None]
        if known:
            # A chunk of which every example was spared does not know what the attack counts: it took nothing.
            filled = [np.zeros_like(like, known[0].dtype) if values is None else values for values, like in ordered]
            masked = isinstance(known[0], np.ma.MaskedArray)
            rows[name] = np.ma.concatenate(filled) if masked else np.concatenate(filled)
    images = [part.images for part in parts if part.images is not None]
    traces = [part.traces for part in parts if part.traces is not None]
    whole = torch.cat(images, dim=1) if images else None
    return TrialResult(rows, _summed(traces) if traces else None, whole, computation)


def _summed(traces: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Every chunk traces the same (restart, step, epsilon) in the same order: sums add up place by place."""
    keys = ("restart", "step", "epsilon")
    total = {name: list(values) for name, values in traces[0].items()}
    for trace in traces[1:]:
        for name in total.keys() - set(keys):
            total[name] = [a + b for a, b in zip(total[name], trace[name], strict=True)]
    return total


def host(value: Tensor) -> np.ndarray[Any, Any]:
    """A tensor as an array, wherever it is."""
    return value.cpu().numpy()
