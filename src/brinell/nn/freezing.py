"""Parameters and batch norms that training leaves as they are."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_KEEPS: str = "keeps_statistics_in_training"


def frozen_names(module: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that require no gradient, and of the batch norms that keep their statistics.

    A module of which every parameter is frozen is one for inference, and says nothing about training: it has none.
    """
    parameters = dict(module.named_parameters())
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if len(frozen) == len(parameters):
        frozen = []
    return (*frozen, *frozen_norms(module))


def frozen_norms(module: nn.Module) -> tuple[str, ...]:
    """Names of the batch norms that are in evaluation mode where the whole is in training mode, or were frozen so."""
    norms = {name: layer for name, layer in module.named_modules() if isinstance(layer, _BatchNorm)}
    return tuple(
        name for name, layer in norms.items() if hasattr(layer, _KEEPS) or (module.training and not layer.training)
    )


def freeze(module: nn.Module, names: Collection[str]) -> None:
    """Freeze the parameters and the statistics of batch norms of these names, in place; unknown names do not count."""
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name in names:
            parameter.requires_grad = False
    for name, layer in module.named_modules(remove_duplicate=False):
        if name in names:
            setattr(layer, _KEEPS, True)


def has_frozen_statistics(layer: nn.Module) -> bool:
    """Whether training leaves a batch norm's statistics: it was frozen, or all of its own parameters are."""
    parameters = list(layer.parameters(recurse=False))
    frozen = bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
    return frozen or hasattr(layer, _KEEPS)
