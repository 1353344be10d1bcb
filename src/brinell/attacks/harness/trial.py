"""The harness: craft, clip, judge, for a whole block of examples at many points, and say it in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.harness.attack import Attack
from brinell.attacks.harness.crafting import (
    BatchSize,
    check_request,
    choose_device_for,
    craft_chunks,
    examples_on,
    is_skipped,
    prepare_batch,
)
from brinell.attacks.harness.fast_forms import Scores
from brinell.attacks.harness.frozen_network import FrozenNetwork, frozen
from brinell.attacks.harness.oracle import Oracle, isolated_evaluation
from brinell.attacks.harness.predictions import all_scores, looks_like_probabilities, read_predictions
from brinell.attacks.harness.results import AUTO, Columns, TrialResult, chunk_rows, host, joined, prediction_columns
from brinell.core import DataError, ModelError, Point, Progress, derive_seed, no_progress
from brinell.data import check_images

_LOOKED_AT: Final = 32
"""Images that show whether a network returns probabilities."""


@torch.inference_mode(False)
def clean_predictions(
    judged: nn.Module | Scores | FrozenNetwork,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch_size: BatchSize = "auto",
) -> Columns:
    """Predict clean images: the rows with which all readings of the same examples are compared.

    Args:
        judged: Network from images to logits.
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, int64.
        ids: Ids of the examples `(N,)`, int64; they key the noise of a random network.
        seed: Seed of the network's own randomness.
        device: By default the GPU, if there is one.
        batch_size: Images of a forward pass, or `auto`.

    Returns:
        Columns of one row an example.

    Raises:
        DataError: Images or labels are invalid.
        ModelError: The network does not return logits.

    Examples:
        >>> import brinell, torch
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> rows = clean_predictions(brinell.models.build("resnet8"), images, labels, torch.arange(4))
        >>> len(rows["prediction"])
        4
    """
    check_images(images, labels)
    if not len(images):
        raise DataError("images: there are none")
    network = frozen(judged, choose_device_for(device))
    images, labels, ids = examples_on(network.device, images, labels, ids)
    with isolated_evaluation(derive_seed(seed, "model"), network):
        check_images(images, labels, network.traits(images).classes)
        logits = all_scores(network.deployed(images), images, AUTO if batch_size == "auto" else batch_size)
    if looks_like_probabilities(logits[:_LOOKED_AT]):
        raise ModelError(
            "model: it returns probabilities; attacks need logits (the scores before softmax), because the gradient "
            "of a saturated softmax vanishes"
        )
    found = read_predictions(logits, labels, None)
    count = len(labels)
    nothing = np.zeros(count, dtype=np.int32)
    return {
        **prediction_columns(found),
        "example_id": host(ids),
        "label": host(labels),
        "epsilon": np.zeros(count),
        "steps": nothing,
        "clean_prediction": host(found.prediction),
        "clean_rank": host(found.rank),
        "prediction_rounded": host(found.prediction),
        "rank_rounded": host(found.rank),
        "l0": nothing,
        "l1": np.zeros(count, dtype=np.float32),
        "l2": np.zeros(count, dtype=np.float32),
        "linf": np.zeros(count, dtype=np.float32),
        "restart": nothing,
        "forwards": nothing + 1,
        "backwards": nothing,
        "status": np.full(count, "clean"),
    }


@torch.inference_mode(False)
def run_trial(
    judged: nn.Module | Scores | FrozenNetwork,
    crafted_on: nn.Module | Scores | FrozenNetwork,
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
    progress: Progress = no_progress,
) -> TrialResult:
    """Attack `crafted_on` and judge the result on `judged`; one call computes the rows of all `points`.

    The global random state is not changed.

    Args:
        judged: The deployed network, from images to logits.
        crafted_on: The network that the attack sees: its gradients, or its scores.
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, int64.
        ids: Ids of the examples `(N,)`, int64; they key the noise.
        attack: The attack.
        points: Radii and numbers of steps to read; by default the attack's own.
        targets: Target classes `(N,)`, int64; without them the attack is untargeted or draws targets.
        seed: Seed of the attack.
        clean: `clean_predictions` of `judged`; computed here by default.
        trace_every: Record loss and accuracy at every n-th step; disables early stopping.
        rounded: Judge images rounded to 8 bits as well.
        keep_images: Return the adversarial examples.
        white_box: Both networks are the same, and the attack may skip misclassified examples.
        device: By default the GPU, if there is one.
        batch_size: Images of a batch, or `auto`.
        progress: Callback, called with the number of examples done.

    Returns:
        One row for each point and example, with traces and images if requested.

    Raises:
        ConfigurationError: The attack does not support the points or the trace, or targets equal labels.
        DataError, ModelError: Images, labels or logits are invalid.
        UnsupportedError: A gradient attack on a network without gradients.

    Examples:
        >>> import brinell, torch
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> model, attack = brinell.models.build("resnet8"), brinell.attacks.FGSM(epsilon=8 / 255)
        >>> trial = run_trial(model, model, images, labels, torch.arange(4), attack)
        >>> len(trial.rows["prediction"])
        4
    """
    points = tuple(points) if points is not None else (attack.point,)
    check_request(attack, points, trace_every, crafted_on)
    network = frozen(judged, choose_device_for(device))
    if clean is None:
        clean = clean_predictions(network, images, labels, ids, seed=seed, batch_size=batch_size)
    source = network if crafted_on in (judged, network) else frozen(crafted_on, network.device)
    oracle = Oracle(source, network.device, getattr(attack, "precision", "float32"), getattr(attack, "samples", 1))
    parts = []
    with isolated_evaluation(derive_seed(seed, "model"), network, source):
        batch = prepare_batch(attack, images, labels, ids, targets, seed, network)
        spare = is_skipped(attack, batch, clean["rank"], white_box and trace_every is None)
        form = network.deployed(batch.images)
        for chunk in craft_chunks(attack, oracle, batch, points, spare, seed, trace_every, batch_size, progress):
            parts.append(chunk_rows(attack, form, chunk, points, clean, rounded, keep_images))
            progress(attack.kind, chunk.stop, len(batch.images))
        remarks = (*(source.differing(network, batch.images) if white_box else ()), *network.changed())
    return joined(parts, len(points), oracle.computation(network, remarks))
