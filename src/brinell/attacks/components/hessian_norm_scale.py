"""The scale of each image's logits at which cross-entropy's gradient leads farthest (Gupta & Ajanthan 2022)."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from brinell.attacks.harness.losses import best_other
from brinell.attacks.harness.oracle import Oracle

CLASSES: Final = 9
"""Classes beside the label, the likeliest ones, that the norm is computed over."""
_SCALES: Final = 100
_LEAST_ERROR: Final = 1e-72
"""Probability of the other classes at the largest scale that is considered, as in the authors' code."""
_OFF_UNIFORM: Final = 1e-2


def hessian_norm_scale(oracle: Oracle, images: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Scales `(N,)` and the backward passes for each image, beside one forward pass.

    A scale `b` of the logits `z` does not change the predicted class. It is the one of a hundred that maximises the
    Frobenius norm of the Hessian of cross-entropy by the image, `b^2 J' (diag(p) - p p') J` with `p = softmax(b z)`,
    for piecewise linear networks (Gupta & Ajanthan 2022, Hessian norm scaling). They lie evenly between the scale that
    makes `p` nearly uniform and the one that leaves the other classes a probability of 1e-72. It is 1 for misclassified
    images, and where the maximum is at an end. Unlike in the paper, the norm is over the label and the nine likeliest
    other classes, so that it does not take a backward pass for each of a thousand classes.
    """
    logits = oracle.logits(images)
    count = min(CLASSES, logits.shape[1] - 1)
    others = logits.scatter(1, labels[:, None], -torch.inf).topk(count, dim=1).indices
    gaps, gradients = oracle.differences(images, labels, others)
    rows = gradients.flatten(2).double()
    gram = torch.zeros(len(images), count + 1, count + 1, dtype=torch.float64, device=images.device)
    gram[:, 1:, 1:] = rows @ rows.transpose(1, 2)
    relative = torch.cat((torch.zeros_like(gaps[:, :1]), gaps), 1).double()  # the label's own logit is 0
    lead = -best_other(relative, torch.zeros_like(labels))
    scales = _candidates(lead, count + 1)
    norms = _hessian_norms(relative, gram, scales)
    best = norms.argmax(1)
    inner = (best > 0) & (best < _SCALES - 1) & (lead > 0)
    found = scales.gather(1, best[:, None])[:, 0]
    return torch.where(inner & found.isfinite(), found, 1.0).to(images.dtype), count


def _candidates(lead: Tensor, classes: int) -> Tensor:
    """Scales `(N, S)` between those at which the error, 1 - p of the label, is nearly largest and nearly nothing."""
    low, high = (
        -math.log(error / ((1 - error) * (classes - 1))) for error in (1 - 1 / classes - _OFF_UNIFORM, _LEAST_ERROR)
    )
    span = torch.linspace(low, high, _SCALES, dtype=torch.float64, device=lead.device)
    return span / lead.clamp_min(1e-30)[:, None]


def _hessian_norms(relative: Tensor, gram: Tensor, scales: Tensor) -> Tensor:
    """`b^2 |J' S J|` `(N, S)`, from `|J' S J|^2 = trace(S G S G)` with `G = J J'`; undefined numbers count as none."""
    p = (scales[:, :, None] * relative[:, None]).softmax(2)
    weighted = p[..., None] * gram[:, None] - p[..., None] * (p[:, :, None] @ gram[:, None])
    squared = (weighted * weighted.transpose(2, 3)).sum((2, 3))
    return (scales.square() * squared.clamp_min(0).sqrt()).nan_to_num(nan=0.0)
