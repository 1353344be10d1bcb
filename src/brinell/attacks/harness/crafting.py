"""Crafting: candidates for a block of examples, a chunk at a time, before anybody judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.attacks.harness.attack import ATTACKS, COUNTS, Attack, Batch, Chunk, Crafted
from brinell.attacks.harness.frozen_network import FrozenNetwork
from brinell.attacks.harness.oracle import Oracle
from brinell.attacks.harness.results import AUTO
from brinell.attacks.harness.targets import check_targets, drawn_targets
from brinell.attacks.harness.through_surrogates import craft_through_surrogates
from brinell.core import ConfigurationError, DataError, Point, Progress, UnsupportedError, no_progress
from brinell.variants import EverySurrogate, Variant, views_of

BatchSize = int | Literal["auto"]

_SHRINKING: Final = 1024
_VALUES: Final = 2**22
"""Values of images in a chunk that shrinks: an attack keeps several images of each cell in memory."""
_OFTEN: Final = 0.01


def craft_chunks(
    attack: Attack,
    oracle: Oracle,
    batch: Batch,
    points: Sequence[Point],
    spare: Tensor,
    seed: int,
    trace_every: int | None,
    size: BatchSize,
    progress: Progress = no_progress,
) -> Iterator[Chunk]:
    """Craft for every example that is not spared, `size` of them at a time; `progress` is in examples."""
    whole = len(batch.images)
    count = chunk_size(attack, points, batch.images) if size == "auto" else size
    start = 0
    while start < whole:
        oracle.report_progress = _Steps(progress, attack.kind, start, min(count, whole - start), whole)
        part = Batch(*(None if value is None else value[start : start + count] for value in batch))  # type: ignore[arg-type]
        left_alone = spare[start : start + count]
        try:
            crafted = _craft(attack, oracle, part, points, left_alone, seed, trace_every)
        except torch.OutOfMemoryError:
            if count == 1:
                raise
            count = max(1, min(count, whole) // 2)  # noise is of an example, not of its chunk: rows stay as they are
            continue
        yield Chunk(start, part, left_alone, crafted)
        start += count


class _Steps:
    """Steps of a chunk as a share of its examples, said at most a hundred times."""

    def __init__(self, progress: Progress, label: str, start: int, size: int, whole: int) -> None:
        self.progress, self.label, self.start, self.size, self.whole = progress, label, start, size, whole
        self.said = 0.0

    def __call__(self, done: float, total: float) -> None:
        share = done / total
        if share >= self.said + _OFTEN:
            self.said = share
            self.progress(self.label, self.start + share * self.size, self.whole)


def chunk_size(attack: Attack, points: Sequence[Point], images: Tensor) -> int:
    """Images a chunk when the caller does not say: as many (image, epsilon) cells as a pass takes at once.

    An attack whose batch shrinks begins with more, so that its later passes are not of a few images each.
    """
    radii = 1 if attack.shares_gradient else len({point.epsilon for point in points})
    cells = AUTO
    if attack.shrinks:
        cells = max(AUTO, min(_SHRINKING, _VALUES // images[0].numel()))
    return max(1, min(len(images), cells // radii))


def _craft(
    attack: Attack,
    oracle: Oracle,
    batch: Batch,
    points: Sequence[Point],
    spare: Tensor,
    seed: int,
    trace_every: int | None,
) -> Crafted:
    """Craft for those not spared, and put the spared ones back in their places, unchanged; every pass of an attack is
    as many as the oracle takes the mean of."""

    def made(part: Batch) -> Crafted:
        if oracle.surrogates and attack.needs == "gradient":
            crafted = craft_through_surrogates(attack, oracle, part, points, seed=seed)
        else:
            crafted = attack.craft(oracle, part, points, seed=seed, trace_every=trace_every)
        return _sampled(crafted, oracle.samples)

    keep = (~spare).nonzero()[:, 0]
    if len(keep) == len(batch.images):
        return made(batch)
    images = batch.images.expand(len(points), *batch.images.shape).clone()
    nothing = torch.zeros((len(points), len(spare)), dtype=torch.int32, device=spare.device)
    if not len(keep):
        return Crafted(images, nothing, nothing, nothing, nothing)
    targets = None if batch.targets is None else batch.targets[keep]
    part = Batch(batch.images[keep], batch.labels[keep], targets, batch.ids[keep])
    crafted = made(part)
    images[:, keep] = crafted.images

    def spread(counts: Tensor | None) -> Tensor | None:
        return None if counts is None else nothing.index_copy(1, keep, counts.to(nothing))

    return Crafted(images, **{name: spread(getattr(crafted, name)) for name in COUNTS})  # type: ignore[arg-type]


def _sampled(crafted: Crafted, samples: int) -> Crafted:
    counts = {name: getattr(crafted, name) for name in ("forwards", "backwards", "zero_gradients", "queries")}
    return replace(crafted, **{name: samples * count for name, count in counts.items() if count is not None})


def prepare_batch(
    attack: Attack,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    targets: Tensor | None,
    seed: int,
    network: FrozenNetwork,
) -> Batch:
    """The examples on the network's device, with targets drawn where the attack needs them and none are given.

    Raises:
        ConfigurationError, DataError: targets that are not one other class for each example.
        ModelError: the network does not map such images to logits.
    """
    images, labels, ids = examples_on(network.device, images, labels, ids)
    classes = network.traits(images).classes
    if targets is None and attack.targeted_only:
        targets = drawn_targets(labels, ids, classes, seed)
    return Batch(images, labels, _checked_targets(attack, targets, labels, classes), ids)


def examples_on(device: torch.device, images: Tensor, labels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Copies on the device: images in float32 without a history, numbers in int64, ready for a gradient."""
    images = images.detach().clone().to(device, torch.float32)
    return images, labels.clone().to(device, torch.int64), ids.clone().to(device)


def _checked_targets(attack: Attack, targets: Tensor | None, labels: Tensor, classes: int) -> Tensor | None:
    name, own = type(attack).__name__, getattr(attack, "targets", None)
    if targets is not None and not attack.takes_targets:
        raise DataError(f"targets: {name} is untargeted; choose an attack that takes targets")
    if targets is not None and own is not None:
        raise DataError(f"targets: {name} has its own (targets: {own}); give one of the two")
    return check_targets(targets, labels, classes)


def is_skipped(attack: Attack, batch: Batch, rank: NDArray[Any], allowed: bool) -> Tensor:
    """`(N,)`: what is misclassified already by its `rank`, where the attack leaves that alone."""
    wrong = torch.as_tensor(rank > 0, device=batch.images.device)
    return wrong & (allowed and attack.skips_misclassified and batch.targets is None)


def check_request(attack: Attack, points: Sequence[Point], trace_every: int | None, crafted_on: object) -> None:
    """Refuse what the attack cannot do.

    Raises:
        ConfigurationError: no points, points it does not sweep, or a trace it does not have.
        UnsupportedError: a gradient attack on something that gives none.
    """
    if not points:
        raise ConfigurationError("points: at least one is needed")
    for point in points:
        attack.at(point)
    if trace_every is not None and (not attack.traceable or trace_every < 1):
        reason = "expected 1 or more" if attack.traceable else f"{attack.kind} has no steps to trace"
        raise ConfigurationError(f"trace_every: {reason}, not {trace_every}")
    crafted_on = crafted_on.source if isinstance(crafted_on, FrozenNetwork) else crafted_on
    if trace_every is not None and isinstance(crafted_on, EverySurrogate):
        raise ConfigurationError("trace_every: a trace follows one gradient, not the view all; choose straight_through")
    if attack.needs == "gradient" and not isinstance(crafted_on, nn.Module):
        free = [kind for kind in ATTACKS if ATTACKS[kind].needs == "scores"]
        raise UnsupportedError(
            f"{attack.kind} needs gradients, and {type(crafted_on).__name__} gives none; attack it with "
            f"{' or '.join(free)}, or craft on a network that has them (its differentiable twin, another variant) and "
            "judge here"
        )


def choose_device_for(device: str | torch.device | None) -> torch.device:
    """The device asked for, or the best there is."""
    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def attacked_view(variant: Variant, attack: Attack, view: str | None, *, traced: bool = False) -> nn.Module:
    """What adversarials are crafted on: the view of that name, by default the attack's own choice."""
    if view is not None:
        return variant.view(view)
    natural = variant.view()
    chosen = attack.default_view(views_of(natural), traced=traced)
    return natural if chosen == "natural" else variant.view(chosen)
