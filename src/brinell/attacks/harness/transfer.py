"""Transfer: adversarials that are crafted once, on one network, and judged on any number of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brinell.attacks.harness.attack import Attack, Chunk
from brinell.attacks.harness.crafting import (
    BatchSize,
    attacked_view,
    check_request,
    choose_device_for,
    craft_chunks,
    is_skipped,
    prepare_batch,
)
from brinell.attacks.harness.diagnostics import Diagnostics
from brinell.attacks.harness.fast_forms import Scores
from brinell.attacks.harness.frozen_network import FrozenNetwork, frozen
from brinell.attacks.harness.oracle import Oracle, isolated_evaluation
from brinell.attacks.harness.outcome import Outcome, outcomes
from brinell.attacks.harness.results import Columns, TrialResult, chunk_rows, joined
from brinell.attacks.harness.trial import clean_predictions
from brinell.core import Point, Progress, derive_seed, no_progress
from brinell.data import check_images
from brinell.variants import Variant


@dataclass(frozen=True, eq=False)
class Adversarials:
    """What one attack with one seed made of a block of examples on one network, at every point; nobody judged it."""

    attack: Attack
    points: tuple[Point, ...]
    seed: int
    chunks: tuple[Chunk, ...]
    computation: Diagnostics


@torch.inference_mode(False)
def craft(
    crafted_on: nn.Module | Scores | FrozenNetwork,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    attack: Attack,
    *,
    points: Sequence[Point] | None = None,
    targets: Tensor | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch_size: BatchSize = "auto",
    progress: Progress = no_progress,
) -> Adversarials:
    """Make adversarial examples of all images, also of those that `crafted_on` misclassifies.

    Other arguments are those of `run_trial`.

    Args:
        crafted_on: The network that the attack sees.
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, int64.
        ids: `(N,)`, int64.
        attack: The attack.

    Returns:
        The adversarial examples at every point, for `judge_crafted`.

    Raises:
        ConfigurationError, DataError, ModelError, UnsupportedError: See `run_trial`.

    Examples:
        >>> import brinell, torch
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.FGSM(epsilon=8 / 255)
        >>> craft(brinell.models.build("resnet8"), images, labels, torch.arange(4), attack).points
        (Point(epsilon=0.03137254901960784, steps=1),)
    """
    points = tuple(points) if points is not None else (attack.point,)
    check_request(attack, points, None, crafted_on)
    check_images(images, labels)
    source = frozen(crafted_on, choose_device_for(device))
    oracle = Oracle(source, source.device, getattr(attack, "precision", "float32"), getattr(attack, "samples", 1))
    nobody = torch.zeros(len(images), dtype=torch.bool, device=source.device)
    parts = []
    with isolated_evaluation(derive_seed(seed, "model"), source):
        batch = prepare_batch(attack, images, labels, ids, targets, seed, source)
        for chunk in craft_chunks(attack, oracle, batch, points, nobody, seed, None, batch_size, progress):
            parts.append(chunk)
            progress(attack.kind, chunk.stop, len(images))
    return Adversarials(attack, points, seed, tuple(parts), oracle.computation())


@torch.inference_mode(False)
def judge_crafted(
    judged: nn.Module | Scores | FrozenNetwork,
    adversarials: Adversarials,
    *,
    clean: Columns,
    white_box: bool = False,
    rounded: bool = True,
    keep_images: bool = False,
) -> TrialResult:
    """Judge `adversarials` on another network.

    Args:
        judged: The deployed network, from images to logits.
        adversarials: The result of `craft`.
        clean: `clean_predictions` of `judged` on the same images.
        white_box: `judged` is the network they were made on. The rows then equal those of `run_trial` up to float
            rounding: misclassified examples count as skipped if the attack skips them.
        rounded: Judge images rounded to 8 bits as well.
        keep_images: Return the adversarial examples.

    Returns:
        One row for each point and example.

    Examples:
        >>> import brinell, torch
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> ids, model, other = torch.arange(4), brinell.models.build("resnet8"), brinell.models.build("resnet8")
        >>> adversarials = craft(model, images, labels, ids, brinell.attacks.FGSM(epsilon=8 / 255))
        >>> trial = judge_crafted(other, adversarials, clean=clean_predictions(other, images, labels, ids))
        >>> len(trial.rows["prediction"])
        4
    """
    images = adversarials.chunks[0].batch.images
    network = frozen(judged, images.device)
    parts = []
    with isolated_evaluation(derive_seed(adversarials.seed, "model"), network):
        form = network.deployed(images)
        for chunk in adversarials.chunks:
            spare = is_skipped(adversarials.attack, chunk.batch, clean["rank"][chunk.start : chunk.stop], white_box)
            own = chunk.sparing(spare) if white_box else chunk
            parts.append(chunk_rows(adversarials.attack, form, own, adversarials.points, clean, rounded, keep_images))
    return joined(parts, len(adversarials.points), adversarials.computation.judged_on(network))


@torch.inference_mode(False)
def transfer(
    source: nn.Module | Variant | Scores,
    judges: Mapping[str, nn.Module | Variant | Scores],
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    example_ids: Tensor | None = None,
    view: str | None = None,
    batch_size: BatchSize = "auto",
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> dict[str, Outcome]:
    """Craft on `source` once and judge the result on each of the `judges`.

    All images are attacked, also those that `source` misclassifies. Other arguments are those of `brinell.attack`.

    Args:
        source: The network that the attack sees.
        judges: Networks by name; `source` may be one of them.
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, int64.
        attack: The attack.

    Returns:
        An outcome for each name; `forwards` and `backwards` count the passes of crafting on `source`.

    Raises:
        DataError, ModelError, ConfigurationError, UnsupportedError: See `run_trial`.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> one, other = brinell.models.build("resnet8"), brinell.models.build("resnet8")
        >>> sorted(transfer(one, {"one": one, "other": other}, images, labels, brinell.attacks.FGSM(epsilon=8 / 255)))
        ['one', 'other']
    """
    check_images(images, labels)
    ids = torch.arange(len(labels)) if example_ids is None else example_ids
    crafted = craft(
        attacked_view(source, attack, view) if isinstance(source, Variant) else source,
        images,
        labels,
        ids,
        attack,
        targets=targets,
        seed=seed,
        device=device,
        batch_size=batch_size,
        progress=progress or no_progress,
    )
    found = {}
    for name, judge in judges.items():
        network = FrozenNetwork(judge.deployed() if isinstance(judge, Variant) else judge, choose_device_for(device))
        clean = clean_predictions(network, images, labels, ids, seed=seed, batch_size=batch_size)
        result = judge_crafted(network, crafted, clean=clean, rounded=False, keep_images=True)
        (found[name],) = outcomes(result, (attack.point,), targeted=targets is not None, dtype=images.dtype)
    return found
