"""`brinell.attack`: one attack, one network, one outcome."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.attack import Attack
from brinell.attacks.crafting import BatchSize, choose_device_for
from brinell.attacks.fast_forms import Scores
from brinell.attacks.frozen_network import FrozenNetwork
from brinell.attacks.outcome import Outcome, outcome
from brinell.attacks.trial import clean_predictions, run_trial
from brinell.core import ConfigurationError, Progress, no_progress
from brinell.data import check_images
from brinell.runtimes import CompiledNetwork, Runtime
from brinell.variants import Variant


class BrinellWarning(UserWarning):
    """Something that makes a result doubtful, though not impossible."""


@torch.inference_mode(False)
def attack(
    model: nn.Module | Variant | Scores,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    example_ids: Tensor | None = None,
    view: str | None = None,
    runtime: str | Runtime | None = None,
    trace_every: int | None = None,
    batch_size: BatchSize = "auto",
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Attack `model` on float images `(N, C, H, W)` in [0, 1] with integer `labels`, and judge the result.

    `model` maps such images to logits, with its normalisation inside; a `Variant` is attacked through `view` (its
    natural gradient by default) and judged as deployed in its `runtime` (its own by default). An attack through scores
    asks a compiled runtime too, unless a `view` is given. `example_ids` key the noise (0 to N-1 by default).
    `trace_every` records loss and accuracy at every so many steps, and then nothing stops early.

    Raises:
        DataError, ModelError, ConfigurationError, UnsupportedError: see `brinell.attacks.run_trial`.
    """
    if not isinstance(attack, Attack):
        shown = getattr(attack, "__name__", type(attack).__name__)
        raise ConfigurationError(f"attack: expected an attack's value, such as PGD(epsilon=8 / 255), not {shown}")
    check_images(images, labels)
    device = choose_device_for(device)
    judged = FrozenNetwork(model.deployed(runtime) if isinstance(model, Variant) else model, device)
    compiled = isinstance(judged.source, CompiledNetwork) and attack.needs == "scores" and view is None
    source = FrozenNetwork(model.view(view), device) if isinstance(model, Variant) and not compiled else judged
    ids = torch.arange(len(labels)) if example_ids is None else example_ids
    clean = clean_predictions(judged, images, labels, ids, seed=seed, batch_size=batch_size)
    warn_at_chance(clean["rank"] == 0, int(clean["prediction"].max()) + 1)
    result = run_trial(
        judged,
        source,
        images,
        labels,
        ids,
        attack,
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
    return outcome(result, targeted=targets is not None, dtype=images.dtype)


def warn_at_chance(correct: np.ndarray[Any, Any], classes: int) -> None:
    """Warn where a network is no better than guessing on enough images: usually its normalisation is missing."""
    count, chance = len(correct), 1 / max(classes, 2)
    if count >= 50 and correct.mean() <= chance + 2 * (chance * (1 - chance) / count) ** 0.5:
        warnings.warn(
            f"clean accuracy is {correct.mean():.1%} on {count} images, no better than chance: does the model expect "
            "normalised images? Put the normalisation inside: brinell.models.Normalized(model, mean, std)",
            BrinellWarning,
            stacklevel=3,
        )
