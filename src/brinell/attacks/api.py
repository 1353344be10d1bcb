"""`brinell.attack`: one attack, one network, one outcome."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.harness.attack import Attack
from brinell.attacks.harness.crafting import BatchSize, attacked_view, choose_device_for
from brinell.attacks.harness.fast_forms import Scores
from brinell.attacks.harness.frozen_network import FrozenNetwork
from brinell.attacks.harness.outcome import Outcome, outcomes
from brinell.attacks.harness.trial import clean_predictions, run_trial
from brinell.core import ConfigurationError, Point, Progress, no_progress
from brinell.data import check_images
from brinell.runtimes import CompiledNetwork, Runtime
from brinell.variants import Variant


class BrinellWarning(UserWarning):
    """Something that makes a result doubtful, though not impossible."""


@overload
def attack(
    model: nn.Module | Variant | Scores,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    points: None = None,
    targets: Tensor | None = None,
    seed: int = 0,
    example_ids: Tensor | None = None,
    view: str | None = None,
    runtime: str | Runtime | None = None,
    trace_every: int | None = None,
    batch_size: BatchSize = "auto",
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> Outcome: ...
@overload
def attack(
    model: nn.Module | Variant | Scores,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    points: Sequence[Point | float],
    targets: Tensor | None = None,
    seed: int = 0,
    example_ids: Tensor | None = None,
    view: str | None = None,
    runtime: str | Runtime | None = None,
    trace_every: int | None = None,
    batch_size: BatchSize = "auto",
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> list[Outcome]: ...
@torch.inference_mode(False)
def attack(
    model: nn.Module | Variant | Scores,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    points: Sequence[Point | float] | None = None,
    targets: Tensor | None = None,
    seed: int = 0,
    example_ids: Tensor | None = None,
    view: str | None = None,
    runtime: str | Runtime | None = None,
    trace_every: int | None = None,
    batch_size: BatchSize = "auto",
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> Outcome | list[Outcome]:
    """Attack a network with one attack and judge the result on the deployed network.

    Args:
        model: Module from images in [0, 1] to logits, with its normalisation, or a `Variant` or compiled network.
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, integers.
        attack: The attack.
        points: Radii, or radii with numbers of steps, to read from one pass; what a sweep shares is computed once.
        targets: Target classes `(N,)`; without them the attack is untargeted or draws targets.
        seed: Seed of the attack.
        example_ids: Ids `(N,)` that key the noise; by default 0 to N-1.
        view: Gradient of a `Variant` that the attack sees; by default the attack's: PGD, BIM and APGD go through `all`
            surrogates of a binary network, others see its `natural` gradient.
        runtime: Runtime that judges a `Variant`; by default its own. Score-based attacks use it too, unless a `view`
            is given.
        trace_every: Record loss and accuracy at every n-th step; disables early stopping.
        batch_size: Images of a batch, or `auto`.
        device: By default the GPU, if there is one.
        progress: Callback, called with the number of examples done.

    Returns:
        Accuracies, and success, distance, prediction and adversarial example of each image; with `points` one such
        outcome for each, in their order.

    Raises:
        DataError, ModelError, ConfigurationError, UnsupportedError: See `brinell.attacks.run_trial`.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> outcome = brinell.attack(brinell.models.build("resnet8"), images, labels, PGD(epsilon=8 / 255, steps=2))
        >>> outcome.adversarials.shape
        torch.Size([4, 1, 8, 8])
        >>> attack, model = PGD(epsilon=8 / 255), brinell.models.build("resnet8")
        >>> found = brinell.attack(model, images, labels, attack, points=[2 / 255, (8 / 255, 5)])
        >>> [outcome.point.steps for outcome in found]
        [10, 5]
    """
    if not isinstance(attack, Attack):
        shown = getattr(attack, "__name__", type(attack).__name__)
        raise ConfigurationError(f"attack: expected an attack's value, such as PGD(epsilon=8 / 255), not {shown}")
    check_images(images, labels)
    device = choose_device_for(device)
    judged = FrozenNetwork(model.deployed(runtime) if isinstance(model, Variant) else model, device)
    compiled = isinstance(judged.source, CompiledNetwork) and attack.needs == "scores" and view is None
    source = judged
    if isinstance(model, Variant) and not compiled:
        source = FrozenNetwork(attacked_view(model, attack, view, traced=trace_every is not None), device)
    ids = torch.arange(len(labels)) if example_ids is None else example_ids
    clean = clean_predictions(judged, images, labels, ids, seed=seed, batch_size=batch_size)
    warn_at_chance(clean["rank"] == 0, int(clean["prediction"].max()) + 1)
    read_at = (attack.point,) if points is None else tuple(_point(attack, point) for point in points)
    result = run_trial(
        judged,
        source,
        images,
        labels,
        ids,
        attack,
        points=read_at,
        targets=targets,
        seed=seed,
        clean=clean,
        trace_every=trace_every,
        rounded=False,
        keep_images=True,
        batch_size=batch_size,
        progress=progress or no_progress,
    )
    for warning in result.computation.warnings:
        warnings.warn(warning, BrinellWarning, stacklevel=2)
    found = outcomes(result, read_at, targeted=targets is not None, dtype=images.dtype)
    return found[0] if points is None else found


def _point(attack: Attack, given: Point | float) -> Point:
    """A radius has the attack's own number of steps."""
    return Point(*given) if isinstance(given, tuple) else Point(float(given), attack.point.steps)


def warn_at_chance(correct: np.ndarray[Any, Any], classes: int) -> None:
    """Warn if a network is no better than guessing on enough images; usually its normalisation is missing.

    Args:
        correct: Whether each clean image is classified correctly, `(N,)`.
        classes: Number of classes.

    Examples:
        >>> import numpy as np
        >>> warn_at_chance(np.ones(100, dtype=bool), classes=10)
    """
    count, chance = len(correct), 1 / max(classes, 2)
    if count >= 50 and correct.mean() <= chance + 2 * (chance * (1 - chance) / count) ** 0.5:
        warnings.warn(
            f"clean accuracy is {correct.mean():.1%} on {count} images, no better than chance: does the model expect "
            "normalised images? Put the normalisation inside: brinell.models.Normalized(model, mean, std)",
            BrinellWarning,
            stacklevel=3,
        )
