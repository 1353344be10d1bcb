"""What a white-box attack may look at: the gradient that a variant's modules give."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from brinell.core import UnsupportedError
from brinell.nn import SURROGATES, BinaryLayer
from brinell.nn.onnx_graph import FakeQuantized

VIEWS: Final = ("natural", "exact", "straight_through", *(f"surrogate:{name}" for name in SURROGATES), "all", "none")
"""`natural`: what a white-box attacker would begin with, `exact` or `straight_through`; `exact`: the derivative;
`straight_through`: sign's is the one the network was trained with; `surrogate:<name>`: another stands in for it; `all`:
every surrogate in turn, with both kinds of loss, and the worst of each example; `none`: no gradient (attacks through
scores only)."""


def natural_view(module: nn.Module) -> str:
    """The view a white-box attacker would begin with: `exact` where the network is differentiable.

    Args:
        module: Of a variant.

    Returns:
        `exact` or `straight_through`.

    Examples:
        >>> from torch import nn
        >>> natural_view(nn.Linear(2, 2))
        'exact'
    """
    steps = any(isinstance(layer, (BinaryLayer, FakeQuantized)) for layer in module.modules())
    return "straight_through" if steps else "exact"


def views_of(module: nn.Module) -> tuple[str, ...]:
    """The views that a module has.

    Args:
        module: Of a variant.

    Returns:
        Names that `set_view` accepts, and `all` for a binary network.

    Examples:
        >>> from torch import nn
        >>> views_of(nn.Linear(2, 2))
        ('natural', 'exact', 'none')
    """
    if isinstance(module, FakeQuantized):
        return ("natural", "straight_through", "none")
    if any(isinstance(layer, BinaryLayer) for layer in module.modules()):
        return tuple(view for view in VIEWS if view != "exact")
    return ("natural", "exact", "none")


def set_view(module: nn.Module, gradient: str) -> None:
    """Make `module` give the `gradient` of that name, in place.

    Args:
        module: Changed in place.
        gradient: A name of `VIEWS`.

    Raises:
        UnsupportedError: no such view, or the network has no such gradient.

    Examples:
        >>> from torch import nn
        >>> set_view(nn.Linear(2, 2), "natural")
    """
    if gradient not in VIEWS:
        raise UnsupportedError(f"view: unknown view {gradient!r}; accepted: {', '.join(VIEWS)}")
    if gradient == "natural":
        gradient = natural_view(module)
    if isinstance(module, FakeQuantized) and gradient not in ("straight_through", "none"):
        raise UnsupportedError(f"view: a quantised network has no view {gradient!r}; accepted: straight_through, none")
    binary = [layer for layer in module.modules() if isinstance(layer, BinaryLayer)]
    if gradient == "all":
        raise UnsupportedError("view: a module has one gradient at a time; build `all` with wrap_every_surrogate")
    if gradient == "exact" and binary:
        raise UnsupportedError(
            "view: a binary network has no exact gradient (it is zero almost everywhere); "
            "use straight_through, or surrogate:" + ", surrogate:".join(SURROGATES)
        )
    set_surrogate(module, gradient.removeprefix("surrogate:") if gradient.startswith("surrogate:") else "clip")


def set_surrogate(module: nn.Module, name: str) -> None:
    """Make every binary layer of `module` give this surrogate's gradient, in place.

    Args:
        module: Changed in place.
        name: Of `brinell.nn.SURROGATES`.

    Examples:
        >>> from torch import nn
        >>> set_surrogate(nn.Linear(2, 2), "clip")  # it has no binary layer
    """
    for layer in module.modules():
        if isinstance(layer, BinaryLayer):
            layer.surrogate = name


class EverySurrogate(nn.Module):
    """A binary network that attacks go through with every surrogate in turn: the view `all`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The network's logits."""
        logits: Tensor = self.network(images)
        return logits


def wrap_every_surrogate(module: nn.Module) -> EverySurrogate:
    """The view `all` of a binary network.

    Args:
        module: A binary network.

    Returns:
        A module that averages what its surrogates give, or takes them in turn.

    Raises:
        UnsupportedError: it has no binary layer.

    Examples:
        >>> from torch import nn
        >>> from brinell.core import UnsupportedError
        >>> try:
        ...     wrap_every_surrogate(nn.Linear(2, 2))
        ... except UnsupportedError as error:
        ...     print(str(error)[:41])
        view: only binary networks have surrogate
    """
    if not any(isinstance(layer, BinaryLayer) for layer in module.modules()):
        raise UnsupportedError("view: only binary networks have surrogate gradients; accepted: natural, exact, none")
    return EverySurrogate(module)
