"""The harness's own verdict: fresh forward passes of the deployed network, whatever the attack believes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from brinell.attacks.harness.fast_forms import Scores
from brinell.attacks.harness.losses import best_other
from brinell.attacks.harness.network_check import check_logits

_SLACK = 1e-4
_ROWS = 2
"""Rows of one sum that are none by chance."""


class Predictions(NamedTuple):
    """What the network says, `(N,)` each. Ranks count the classes above; in `rank` a tie counts as above, in
    `target_rank` it does not: both are against the network."""

    prediction: Tensor
    rank: Tensor
    margin: Tensor
    target_rank: Tensor | None


def predict(network: Scores, images: Tensor, labels: Tensor, targets: Tensor | None, batch: int) -> Predictions:
    """Run `images` through the network, `batch` at a time.

    Raises:
        ModelError: the logits are of the wrong shape or type, NaN or infinite.
    """
    return read_predictions(all_scores(network, images, batch), labels, targets)


def all_scores(network: Scores, images: Tensor, batch: int) -> Tensor:
    """Checked logits of any number of images, `batch` at a time.

    Raises:
        ModelError: see `predict`.
    """
    with torch.no_grad():
        return torch.cat([_scores_in_parts(network, part) for part in images.split(batch)])


def _scores_in_parts(network: Scores, images: Tensor) -> Tensor:
    """The scores, by halves where they take more memory than the device has."""
    try:
        return scores(network, images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    half = len(images) // 2
    return torch.cat([_scores_in_parts(network, part) for part in (images[:half], images[half:])])


def read_predictions(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Predictions:
    """Read the verdict off logits `(N, classes)`."""
    own = logits.gather(1, labels[:, None])
    rank = (logits >= own).sum(1) - 1
    target_rank = None if targets is None else (logits > logits.gather(1, targets[:, None])).sum(1)
    margin = own[:, 0] - best_other(logits, labels)
    return Predictions(logits.argmax(1), rank.to(torch.int32), margin.float(), target_rank)


def scores(network: Scores, images: Tensor) -> Tensor:
    """Checked logits.

    Raises:
        ModelError: they are not usable; the message says what was found.
    """
    return check_logits(network(images), len(images)).float()


def looks_like_probabilities(logits: Tensor) -> bool:
    """Whether every row is a distribution, or one multiple of one: no network's logits are so by chance."""
    if logits.shape[1] < 2 or bool((logits < 0).any()):
        return False
    sums = logits.double().sum(1)
    spread = (logits.amax(1) - logits.amin(1)).amax()
    of_one_sum = bool((sums - sums[0]).abs().max() < 1e-4 * spread) and bool((logits != logits[:1]).any())
    return bool(((sums - 1).abs() < 1e-4).all()) or (of_one_sum and len(logits) >= _ROWS)


def rounded_to_bytes(adversarials: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest 8-bit images, halves rounded towards the clean one; and where that verdict is void, `(N,)`.

    A perturbation of half a level or less is lost altogether: the rounded image is the clean one again, which says
    nothing about robustness.
    """
    levels, towards = adversarials.double() * 255, clean.double() * 255
    # float32 images are exact to some 1e-5 of a level: without slack an exact half would fall to either side.
    half = torch.where(levels > towards, torch.ceil(levels - 0.5 - _SLACK), torch.floor(levels + 0.5 + _SLACK))
    rounded = (half / 255).clamp(0, 1).to(adversarials.dtype)
    distance = (adversarials - clean).flatten(1).abs().amax(1)
    void = (distance > 0) & (distance * 255 <= 0.5 + _SLACK)
    return rounded, void
