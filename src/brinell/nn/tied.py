"""Layers that share one weight: two modules of which each holds the same `Parameter`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn
from torch.nn.utils import parametrize

from brinell.nn.binary_layers.binary_layer import BinaryLayer


def tied_layers(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Mapping[str, tuple[str, ...]]:
    """Layers of `kinds` by the weight that they share: names, the first layer's own included, by the first's name.

    A layer whose weight nobody else holds stands alone. A module that is registered under several names is one layer
    and has its first name.

    Args:
        module: It is not changed.
        kinds: Classes of the layers.

    Returns:
        As many entries as there are different weights.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        >>> network[2].weight = network[0].weight
        >>> tied_layers(network, (nn.Linear,))
        {'0': ('0', '2')}
    """
    by_weight: dict[int, list[str]] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, kinds):
            by_weight.setdefault(id(weight_identity(layer)), []).append(name)
    return {names[0]: tuple(names) for names in by_weight.values()}


def weight_identity(layer: nn.Module) -> object:
    """What stands for a layer's weight wherever the weight is: two layers with the same object hold one weight.

    A parametrised weight is computed anew at each look; what it is computed from stays.

    Args:
        layer: Of any class; one without a weight stands for itself.

    Returns:
        An object to be compared by `is`.

    Examples:
        >>> from torch import nn
        >>> first, other = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> other.weight = first.weight
        >>> weight_identity(first) is weight_identity(other)
        True
    """
    if parametrize.is_parametrized(layer, "weight"):
        parametrization = layer.parametrizations["weight"]  # type: ignore[index]
        return getattr(parametrization, "original", parametrization)
    names = (*layer.weight_tensors, "weight") if isinstance(layer, BinaryLayer) else ("weight",)
    return next((weight for name in names if (weight := getattr(layer, name, None)) is not None), layer)


@contextmanager
def kept_ties(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[None]:
    """Let layers that share a weight share what the first one has when the block is left.

    Args:
        module: Layers of it are replaced or changed in the block.
        kinds: Classes of the layers.

    Returns:
        A block.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> network[1].weight = network[0].weight
        >>> with kept_ties(network, (nn.Linear,)):
        ...     network[0].weight = nn.Parameter(network[0].weight.detach() / 2)
        >>> network[1].weight is network[0].weight
        True
    """
    tied = [names for names in tied_layers(module, kinds).values() if len(names) > 1]
    yield
    for first, *others in tied:
        for name in others:
            share_tensors(module.get_submodule(first), module.get_submodule(name), ("weight",))


def share_tensors(first: nn.Module, other: nn.Module, names: tuple[str, ...]) -> None:
    """Make `other` hold the very parameters and buffers `names` of `first`, where both have them.

    Args:
        first: It is not changed.
        other: Changed in place.
        names: Of parameters and buffers.

    Examples:
        >>> from torch import nn
        >>> first, other = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> share_tensors(first, other, ("weight",))
        >>> other.weight is first.weight
        True
    """
    for name in names:
        for kind in ("_parameters", "_buffers"):
            own, theirs = getattr(first, kind), getattr(other, kind)
            if own.get(name) is not None and name in theirs:
                theirs[name] = own[name]
