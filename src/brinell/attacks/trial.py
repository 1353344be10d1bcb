"""The harness: craft, clip, judge, for a whole block of examples at many points, and say it in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks.attack import Attack
from brinell.attacks.crafting import (
    BatchSize,
    check_request,
    choose_device_for,
    chunks,
    examples_on,
    is_skipped,
    prepared,
)
from brinell.attacks.fast_forms import Scores
from brinell.attacks.frozen_network import FrozenNetwork, frozen
from brinell.attacks.judge import all_scores, looks_like_probabilities, verdict
from brinell.attacks.oracle import Oracle, harness
from brinell.attacks.results import AUTO, Columns, TrialResult, chunk_rows, host, joined, verdict_columns
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
    """Rows of the images as they are: what every reading of the same examples is compared with.

    Raises:
        DataError: images or labels are not what is expected.
        ModelError: the network does not return logits.
    """
    check_images(images, labels)
    if not len(images):
        raise DataError("images: there are none")
    network = frozen(judged, choose_device_for(device))
    images, labels, ids = examples_on(network.device, images, labels, ids)
    with harness(derive_seed(seed, "model"), network):
        check_images(images, labels, network.admission(images).classes)
        logits = all_scores(network.deployed(images), images, AUTO if batch_size == "auto" else batch_size)
    if looks_like_probabilities(logits[:_LOOKED_AT]):
        raise ModelError(
            "model: it returns probabilities; attacks need logits (the scores before softmax), because the gradient "
            "of a saturated softmax vanishes"
        )
    found = verdict(logits, labels, None)
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
    """Attack `crafted_on` and judge the result on `judged`; one call gives the rows of all `points`.

    `clean` are `clean_predictions` of `judged`, computed here when not given. `white_box` says that the two are one
    network: an attack may then spare what is misclassified already. Global random state is left as it was.

    Raises:
        ConfigurationError: points or a trace that the attack does not have, or targets equal to labels.
        DataError, ModelError: images, labels or logits are not what is expected.
        UnsupportedError: a gradient attack on something that gives none.
    """
    points = tuple(points) if points is not None else (attack.point,)
    check_request(attack, points, trace_every, crafted_on)
    network = frozen(judged, choose_device_for(device))
    if clean is None:
        clean = clean_predictions(network, images, labels, ids, seed=seed, batch_size=batch_size)
    source = network if crafted_on in (judged, network) else frozen(crafted_on, network.device)
    oracle = Oracle(source, network.device, getattr(attack, "precision", "float32"))
    parts = []
    with harness(derive_seed(seed, "model"), network, source):
        batch = prepared(attack, images, labels, ids, targets, seed, network)
        spare = is_skipped(attack, batch, clean["rank"], white_box and trace_every is None)
        form = network.deployed(batch.images)
        for chunk in chunks(attack, oracle, batch, points, spare, seed, trace_every, batch_size, progress):
            parts.append(chunk_rows(attack, form, chunk, points, clean, rounded, keep_images))
            progress(attack.kind, chunk.stop, len(batch.images))
        remarks = source.differing(network, batch.images) if white_box else ()
    return joined(parts, len(points), oracle.computation(network, remarks))
