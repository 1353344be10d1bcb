"""The harness: craft, clip, judge, for a whole block of examples at many points, and say it in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.attack import Attack, Batch, Crafted
from brinell.attacks.judge import judge, looks_like_probabilities, scores
from brinell.attacks.oracle import Oracle, Scores, own_randomness, placed
from brinell.attacks.rows import AUTO, Columns, TrialResult, chunk_rows, host, joined, verdict_columns
from brinell.attacks.targets import check_targets, drawn_targets
from brinell.core import ConfigurationError, DataError, ModelError, Point, Progress, UnsupportedError, derive, silent
from brinell.data import check_images

BatchSize = int | Literal["auto"]
_COUNTS = ("first_success_step", "restart", "forwards", "backwards", "zero_gradients", "queries")


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
        found = judge(network, images, labels, None, AUTO if batch_size == "auto" else batch_size)
    count = len(labels)
    nothing = np.zeros(count, dtype=np.int32)
    return {
        **verdict_columns(found),
        "example_id": host(ids),
        "label": host(labels),
        "epsilon": np.zeros(count),
        "steps": nothing,
        "clean_prediction": host(found.prediction),
        "clean_rank": host(found.rank),
        "prediction_rounded": host(found.prediction),
        "rank_rounded": host(found.rank),
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
    check_targets(targets, labels)
    batch = Batch(images.to(place), labels.to(place), None if targets is None else targets.to(place), ids.to(place))
    network, oracle = placed(judged, place), Oracle(crafted_on, place, getattr(attack, "precision", "float32"))
    size = chunk_size(points, len(batch.images)) if batch_size == "auto" else batch_size
    parts = []
    with own_randomness(derive(seed, "model")):
        for start, part in _chunks(batch, size):
            spare = _spared(attack, part, clean, start, white_box and trace_every is None)
            crafted = _craft(attack, oracle, part, points, spare, seed, trace_every)
            parts.append(chunk_rows(attack, network, part, points, crafted, spare, clean, start, rounded, keep_images))
            progress(attack.kind, start + len(part.images), len(batch.images))
    return joined(parts, len(points))


def chunk_size(points: Sequence[Point], examples: int) -> int:
    """Images a chunk when the caller does not say: a fixed number of (image, epsilon) cells."""
    radii = len({point.epsilon for point in points}) or 1
    return max(1, min(examples, AUTO // radii))


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
    images = batch.images.expand(len(points), *batch.images.shape).clone()
    nothing = torch.zeros((len(points), len(spare)), dtype=torch.int32, device=spare.device)
    if not len(keep):
        return Crafted(images, nothing, nothing, nothing, nothing)
    targets = None if batch.targets is None else batch.targets[keep]
    part = Batch(batch.images[keep], batch.labels[keep], targets, batch.ids[keep])
    crafted = attack.craft(oracle, part, points, seed=seed, trace_every=trace_every)
    images[:, keep] = crafted.images

    def spread(counts: Tensor | None) -> Tensor | None:
        return None if counts is None else nothing.index_copy(1, keep, counts.to(nothing))

    return Crafted(images, **{name: spread(getattr(crafted, name)) for name in _COUNTS})  # type: ignore[arg-type]


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
