"""What a white-box attack may look at: the gradient that a variant's modules give."""

from __future__ import annotations

from typing import Final

from torch import nn

from brinell.core import UnsupportedError
from brinell.nn import SURROGATES, BinaryLayer
from brinell.nn.onnx_graph import FakeQuantized

VIEWS: Final = ("exact", "straight_through", *(f"surrogate:{name}" for name in SURROGATES), "none")
"""`exact`: the derivative; `straight_through`: sign's is the one the network was trained with; `surrogate:<name>`:
another stands in for it; `none`: no gradient (attacks through scores only)."""


def natural_view(module: nn.Module) -> str:
    """The view a white-box attacker would begin with: `exact` where the network is differentiable."""
    steps = any(isinstance(layer, (BinaryLayer, FakeQuantized)) for layer in module.modules())
    return "straight_through" if steps else "exact"


def set_view(module: nn.Module, gradient: str) -> None:
    """Make `module` give the `gradient` of that name, in place.

    Raises:
        UnsupportedError: no such view, or the network has no such gradient.
    """
    if gradient not in VIEWS:
        raise UnsupportedError(f"view: unknown view {gradient!r}; accepted: {', '.join(VIEWS)}")
    if isinstance(module, FakeQuantized) and gradient not in ("straight_through", "none"):
        raise UnsupportedError(f"view: a quantised network has no view {gradient!r}; accepted: straight_through, none")
    binary = [layer for layer in module.modules() if isinstance(layer, BinaryLayer)]
    if gradient == "exact" and binary:
        raise UnsupportedError(
            "view: a binary network has no exact gradient (it is zero almost everywhere); "
            "use straight_through, or surrogate:" + ", surrogate:".join(SURROGATES)
        )
    for layer in binary:
        layer.surrogate = gradient.removeprefix("surrogate:") if gradient.startswith("surrogate:") else "clip"
