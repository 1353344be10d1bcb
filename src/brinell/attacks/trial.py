"""The harness: craft, clip, judge, for a whole block of examples at many points, and say it in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.attack import Attack, Batch, Crafted
from brinell.attacks.judge import Verdict, judge, looks_like_probabilities, rounded_to_bytes, scores
from brinell.attacks.oracle import Oracle, Scores, own_randomness, placed
from brinell.core import ConfigurationError, DataError, ModelError, Point, Progress, UnsupportedError, derive, silent
from brinell.data import check_images
from brinell.nn import distances, uniform

Columns = dict[str, np.ndarray[Any, Any]]
BatchSize = int | Literal["auto"]
_AUTO = 256
"""Images times epsilons a chunk: large enough to keep the cores busy, small enough for their caches."""


@dataclass(frozen=True)
class TrialResult:
    """Rows of `ROW_SCHEMA`, point-major; traces of `TRACE_SCHEMA`; the judged images `(P, N, C, H, W)` where asked."""

    rows: Columns
    traces: dict[str, list[Any]] | None
    adversarials: Tensor | None


def clean_predictions(
    judged: nn.Module | Scores,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch_size: BatchSize = "auto",
) -> Columns:
    """Rows of the images as they are: what every reading of the same examples is compared with.

    Raises:
        DataError: images or labels are not what is expected.
        ModelError: the network does not return logits.
    """
    place = _device(device)
    network, (images, labels) = placed(judged, place), (images.to(place), labels.to(place))
    check_images(images, labels)
    with own_randomness(derive(seed, "model")):
        _check_network(network, images, labels)
        found = judge(network, images, labels, None, _AUTO if batch_size == "auto" else batch_size)
    count = len(labels)
    nothing = np.zeros(count, dtype=np.int32)
    return {
        **_said(found),
        "example_id": _host(ids),
        "label": _host(labels),
        "epsilon": np.zeros(count),
        "steps": nothing,
        "clean_prediction": _host(found.prediction),
        "clean_rank": _host(found.rank),
        "prediction_rounded": _host(found.prediction),
        "rank_rounded": _host(found.rank),
        "l0": nothing,
        "l2": np.zeros(count, dtype=np.float32),
        "linf": np.zeros(count, dtype=np.float32),
        "restart": nothing,
        "forwards": nothing + 1,
        "backwards": nothing,
        "status": np.full(count, "clean"),
    }


def run_trial(
    judged: nn.Module | Scores,
    crafted_on: nn.Module | Scores,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    attack: Attack,
    *,
    points: Sequence[Point] | None = None,
    targets: Tensor | None = None,
    seed: int = 0,
    clean: Columns | None = None,
    trace_every: int | None = None,
    rounded: bool = True,
    keep_images: bool = False,
    white_box: bool = True,
    device: str | torch.device | None = None,
    batch_size: BatchSize = "auto",
    progress: Progress = silent,
) -> TrialResult:
    """Attack `crafted_on` and judge the result on `judged`; one call gives the rows of all `points`.

    `clean` are `clean_predictions` of `judged`, computed here when not given. `white_box` says that the two are one
    network: an attack may then spare what is misclassified already. Global random state is left as it was.

    Raises:
        ConfigurationError: points or a trace that the attack does not have, or targets equal to labels.
        DataError, ModelError: images, labels or logits are not what is expected.
        UnsupportedError: a gradient attack on something that gives none.
    """
    points = tuple(points) if points is not None else (attack.point,)
    _check_request(attack, points, trace_every, crafted_on)
    place = _device(device)
    if clean is None:
        clean = clean_predictions(judged, images, labels, ids, seed=seed, device=place, batch_size=batch_size)
    if targets is None and attack.targeted_only:
        targets = drawn_targets(labels, ids, scores(placed(judged, place), images[:1].to(place)).shape[1], seed)
    _check_targets(targets, labels)
    batch = Batch(images.to(place), labels.to(place), None if targets is None else targets.to(place), ids.to(place))
    network, oracle = placed(judged, place), Oracle(crafted_on, place)
    size = chunk_size(points, len(batch.images)) if batch_size == "auto" else batch_size
    parts = []
    with own_randomness(derive(seed, "model")):
        for start, part in _chunks(batch, size):
            spare = _spared(attack, part, clean, start, white_box and trace_every is None)
            crafted = _craft(attack, oracle, part, points, spare, seed, trace_every)
            parts.append(_rows(attack, network, part, points, crafted, spare, clean, start, rounded, keep_images))
            progress(attack.kind, start + len(part.images), len(batch.images))
    return _joined(parts, len(points))


def drawn_targets(labels: Tensor, ids: Tensor, classes: int, seed: int) -> Tensor:
    """A class other than the label for each example, from (seed, example id): the same on every variant.

    Raises:
        ConfigurationError: there is no other class.
    """
    if classes < 2:
        raise ConfigurationError(f"targets: there is no other class to aim at; this model has {classes}")
    steps = (uniform(seed, "target", ids, (1,))[:, 0] * (classes - 1)).to(torch.int64)
    return (labels + 1 + steps) % classes


def chunk_size(points: Sequence[Point], examples: int) -> int:
    """Images a chunk when the caller does not say: a fixed number of (image, epsilon) cells."""
    radii = len({point.epsilon for point in points}) or 1
    return max(1, min(examples, _AUTO // radii))


def _craft(
    attack: Attack,
    oracle: Oracle,
    batch: Batch,
    points: Sequence[Point],
    spare: Tensor,
    seed: int,
    trace_every: int | None,
) -> Crafted:
    """Craft for those not spared, and put the spared ones back in their places, unchanged."""
    keep = (~spare).nonzero()[:, 0]
    if len(keep) == len(batch.images):
        return attack.craft(oracle, batch, points, seed=seed, trace_every=trace_every)
    targets = None if batch.targets is None else batch.targets[keep]
    part = Batch(batch.images[keep], batch.labels[keep], targets, batch.ids[keep])
    whole = _untouched(batch, len(points), spare)
    if len(keep):
        crafted = attack.craft(oracle, part, points, seed=seed, trace_every=trace_every)
        for name in ("images", "first_success_step", "restart", "forwards", "backwards", "zero_gradients"):
            values = getattr(crafted, name)
            if values is not None:
                getattr(whole, name)[:, keep] = values
    return whole


def _untouched(batch: Batch, points: int, spare: Tensor) -> Crafted:
    zeros = torch.zeros((points, len(spare)), dtype=torch.int32, device=spare.device)
    return Crafted(
        images=batch.images.expand(points, *batch.images.shape).clone(),
        first_success_step=zeros.clone(),
        restart=zeros.clone(),
        forwards=zeros.clone(),
        backwards=zeros.clone(),
        zero_gradients=zeros.clone(),
    )


@dataclass(frozen=True)
class _Part:
    """One chunk's columns `(P, n)`, before they are joined."""

    columns: dict[str, Any]
    traces: dict[str, list[Any]] | None
    images: Tensor | None


def _rows(
    attack: Attack,
    network: Scores,
    batch: Batch,
    points: Sequence[Point],
    crafted: Crafted,
    spare: Tensor,
    clean: Columns,
    start: int,
    rounded: bool,
    keep_images: bool,
) -> _Part:
    """Clip and judge every point of one chunk."""
    stop = start + len(batch.images)
    before = {name: clean[name][start:stop] for name in ("prediction", "rank", "margin")}
    columns: dict[str, list[Any]] = {}
    judged_images = []
    for row, point in enumerate(points):
        images = attack.clip(crafted.images[row], batch.images, point.epsilon)
        found = _judge_moved(network, images, batch, spare, before)
        said = _said(found)
        far = {name: _host(value) for name, value in distances(batch.images, images).items()}
        eight = _rounded(network, images, batch, spare, before) if rounded else {}
        counts = _counts(crafted, row, point, found)
        own = {
            **said,
            **far,
            **eight,
            **counts,
            "example_id": _host(batch.ids),
            "label": _host(batch.labels),
            "target": None if batch.targets is None else _host(batch.targets),
            "epsilon": None if point.epsilon is None else np.full(len(images), point.epsilon),
            "steps": np.full(len(images), point.steps, dtype=np.int32),
            "clean_prediction": before["prediction"],
            "clean_rank": before["rank"],
            "status": np.where(_host(spare), "spared", "attacked"),
        }
        for name, value in own.items():
            columns.setdefault(name, []).append(value)
        judged_images.append(images.cpu() if keep_images else None)
    kept = torch.stack([image for image in judged_images if image is not None]) if keep_images else None
    return _Part(columns, crafted.traces, kept)


def _judge_moved(network: Scores, images: Tensor, batch: Batch, spare: Tensor, before: dict[str, Any]) -> Verdict:
    """Judge what was moved; what was spared is the clean image, whose verdict is known."""
    moved = (~spare).nonzero()[:, 0]
    targets = None if batch.targets is None else batch.targets[moved]
    known = [torch.as_tensor(before[name], device=images.device) for name in ("prediction", "rank", "margin")]
    if len(moved) == 0:
        return Verdict(known[0], known[1], known[2], None)
    found = judge(network, images[moved], batch.labels[moved], targets, _AUTO)
    if len(moved) == len(images):
        return found
    whole = [value.clone() for value in known]
    for value, new in zip(whole, found[:3], strict=True):
        value[moved] = new.to(value.dtype)
    return Verdict(whole[0], whole[1], whole[2], None)


def _rounded(network: Scores, images: Tensor, batch: Batch, spare: Tensor, before: dict[str, Any]) -> dict[str, Any]:
    """The verdict on 8-bit images; masked where rounding makes it void."""
    near, void = rounded_to_bytes(images, batch.images)
    found = _judge_moved(network, near, batch, spare | void, before)
    gone = _host(void)
    return {
        "prediction_rounded": np.ma.array(_host(found.prediction), mask=gone),
        "rank_rounded": np.ma.array(_host(found.rank), mask=gone),
    }


def _counts(crafted: Crafted, row: int, point: Point, found: Verdict) -> dict[str, Any]:
    """What crafting took. A success that only the judge saw, at the last iterate, came with the last step."""
    success = found.rank > 0 if found.target_rank is None else found.target_rank == 0
    seen = crafted.first_success_step[row]
    first = _host(torch.where((seen == -1) & success, point.steps, seen))
    return {
        "first_success_step": np.ma.array(first, mask=first == -1),
        "restart": _host(crafted.restart[row]),
        "forwards": _host(crafted.forwards[row]),
        "backwards": _host(crafted.backwards[row]),
        "queries": None if crafted.queries is None else _host(crafted.queries[row]),
        "zero_gradients": None if crafted.zero_gradients is None else _host(crafted.zero_gradients[row]),
    }


def _said(found: Verdict) -> dict[str, Any]:
    return {
        "prediction": _host(found.prediction),
        "rank": _host(found.rank),
        "margin": _host(found.margin),
        "target_rank": None if found.target_rank is None else _host(found.target_rank),
    }


def _joined(parts: list[_Part], points: int) -> TrialResult:
    """Chunks side by side, point-major."""
    rows: Columns = {}
    for name in parts[0].columns:
        if parts[0].columns[name][0] is not None:
            ordered = [part.columns[name][point] for point in range(points) for part in parts]
            masked = isinstance(ordered[0], np.ma.MaskedArray)
            rows[name] = np.ma.concatenate(ordered) if masked else np.concatenate(ordered)
    images = [part.images for part in parts if part.images is not None]
    traces = [part.traces for part in parts if part.traces is not None]
    return TrialResult(rows, _summed(traces) if traces else None, torch.cat(images, dim=1) if images else None)


def _summed(traces: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Every chunk traces the same (restart, step, epsilon) in the same order: sums add up place by place."""
    keys = ("restart", "step", "epsilon")
    total = {name: list(values) for name, values in traces[0].items()}
    for trace in traces[1:]:
        for name in total.keys() - set(keys):
            total[name] = [a + b for a, b in zip(total[name], trace[name], strict=True)]
    return total


def _spared(attack: Attack, batch: Batch, clean: Columns, start: int, allowed: bool) -> Tensor:
    wrong = torch.as_tensor(clean["rank"][start : start + len(batch.images)] > 0, device=batch.images.device)
    return wrong & (allowed and attack.spares_the_wrong and batch.targets is None)


def _chunks(batch: Batch, size: int) -> Iterator[tuple[int, Batch]]:
    for start in range(0, len(batch.images), size):
        part = slice(start, start + size)
        targets = None if batch.targets is None else batch.targets[part]
        yield start, Batch(batch.images[part], batch.labels[part], targets, batch.ids[part])


def _check_request(attack: Attack, points: Sequence[Point], trace_every: int | None, crafted_on: object) -> None:
    if not points:
        raise ConfigurationError("points: at least one is needed")
    for point in points:
        attack.at(point)
    if trace_every is not None and (not attack.traceable or trace_every < 1):
        reason = "expected 1 or more" if attack.traceable else f"{attack.kind} has no steps to trace"
        raise ConfigurationError(f"trace_every: {reason}, not {trace_every}")
    if attack.needs == "gradient" and not isinstance(crafted_on, nn.Module):
        raise UnsupportedError(
            f"{attack.kind} needs gradients, and {type(crafted_on).__name__} gives none; attack it through scores, "
            "or craft on another variant and transfer"
        )


def _check_targets(targets: Tensor | None, labels: Tensor) -> None:
    if targets is None:
        return
    if targets.shape != labels.shape:
        raise DataError(f"targets: expected shape {tuple(labels.shape)} as the labels have, not {tuple(targets.shape)}")
    if same := int((targets == labels).sum()):
        raise DataError(f"targets: {same} of {len(labels)} equal their label; a target must be another class")


def _check_network(network: Scores, images: Tensor, labels: Tensor) -> None:
    """Find out early what would spoil everything later: a wrong shape, probabilities, labels out of range."""
    if not len(images):
        raise DataError("images: there are none")
    with torch.inference_mode():
        logits = scores(network, images[: min(len(images), 32)])
    if looks_like_probabilities(logits):
        raise ModelError(
            "model: it returns probabilities; attacks need logits (the scores before softmax), because the gradient "
            "of a saturated softmax vanishes"
        )
    check_images(images, labels, logits.shape[1])


def _device(device: str | torch.device | None) -> torch.device:
    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _host(value: Tensor) -> np.ndarray[Any, Any]:
    return value.cpu().numpy()
