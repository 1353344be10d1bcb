"""Whether a network's input gradient is the derivative of its logits, which an attack that follows it relies on."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from brinell.attacks.harness.fast_forms import Scores
from brinell.nn import BinaryLayer, Response, relative_difference, respond, weighted_sum
from brinell.nn.onnx_graph import FakeQuantized

_STEPS: Final = (1e-3, 1e-4, 1e-2, 8 / 255)
"""Distances at which the rise is measured; most networks pass at the first."""
_ERROR: Final = 0.5
"""What a rise may differ by from what the gradient says, of its size, at one of the distances: for kinks and curves."""
_ROUNDING: Final = 1e-4
"""Rise, of the logits' length, that is not told from rounding."""
_OTHER_NETWORK: Final = 0.01
"""Difference between logits with and without a gradient, of their spread."""


def describe_gradient(network: Scores, images: Tensor, response: Response, scores: Tensor) -> tuple[str, ...]:
    """A remark where `network`'s input gradient is not the derivative of its logits; nothing where it is.

    The logits' weighted sum is computed a small step up and down the gradient's signs, and random signs. Where it rises
    by another amount than the gradient says on most of the images, at every distance of a few, something in the network
    has a backward pass of its own: a part that is detached, a straight-through function, a hook on gradients. What is
    zero, infinite or missing is left to those who count it.

    Args:
        network: From images to logits.
        images: `(k, C, H, W)` in [0, 1].
        response: What `network` computes of them with a gradient.
        scores: Its logits without one.
    """
    gradient = response.gradient
    if gradient is None:
        return ()
    if relative_difference(response.logits, scores) > _OTHER_NETWORK:
        return (
            "the network computes other logits where a gradient is asked for, so that the gradients are another "
            "network's: what the attack leaves standing is not shown to be robust",
        )
    try:
        wrong = _rises_otherwise(network, images, gradient, response.logits)
    except Exception:  # a user's forward pass that refuses such images; the attack will say so where it matters
        return ()
    return wrong * (
        "its input gradients are not the derivative of its logits (a detached part, a function or a hook with a "
        "backward pass of its own): the attack follows them, and what it leaves standing is not shown to be robust",
    )


def _rises_otherwise(network: Scores, images: Tensor, gradient: Tensor, logits: Tensor) -> bool:
    """Whether on most images the sum rises otherwise than the gradient says, at all distances in a direction."""
    draw = torch.Generator().manual_seed(0)
    random = torch.randint(2, gradient.shape, generator=draw).to(gradient) * 2 - 1
    directions = torch.stack([gradient.sign(), random])
    wrong = gradient.isfinite().flatten(1).all(1).expand(2, -1)
    for step in _STEPS:
        moved = (images + torch.stack([step * directions, -step * directions])).clamp(0, 1)
        up, down = weighted_sum(respond(network, moved.flatten(0, 2), gradients=False).logits).view(2, 2, -1)
        expected = (gradient * (moved[0] - moved[1])).flatten(2)
        # Along its own signs the gradient's parts add up, along random ones they grow as a walk does.
        size = torch.maximum(expected.sum(2).abs(), expected.norm(dim=2))
        known = size > _ROUNDING * logits.norm(dim=1)
        right = (up - down - expected.sum(2)).abs() <= _ERROR * size
        wrong = wrong & ~(known & right) if step != _STEPS[-1] else wrong & known & ~right
        if bool((2 * wrong.sum(1) <= len(images)).all()):
            return False
    return True


def has_known_surrogates(module: nn.Module) -> bool:
    """Whether its gradients are surrogates by design, which the attacks go through in turn: binary and int8 layers."""
    return any(isinstance(part, (BinaryLayer, FakeQuantized)) for part in module.modules())
