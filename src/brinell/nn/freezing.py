"""Parameters and batch norms that training leaves as they are."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_KEEPS: str = "keeps_statistics_in_training"


def frozen_names(module: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that require no gradient, and of the batch norms that keep their statistics.

    A module of which every parameter is frozen is one for inference, and says nothing about training: it has none.

    Args:
        module: In the mode in which it was given.

    Returns:
        What `freeze` takes.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> network[0].bias.requires_grad = False
        >>> frozen_names(network)
        ('0.bias',)
    """
    parameters = dict(module.named_parameters())
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if len(frozen) == len(parameters):
        frozen = []
    return (*frozen, *frozen_norms(module))


def frozen_norms(module: nn.Module) -> tuple[str, ...]:
    """Names of the batch norms that are in evaluation mode where the whole is in training mode, or were frozen so.

    Args:
        module: In the mode in which it was given.

    Returns:
        Dotted names, in the order of the module's.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2))
        >>> _ = network[1].eval()
        >>> frozen_norms(network)
        ('1',)
    """
    norms = {name: layer for name, layer in module.named_modules() if isinstance(layer, _BatchNorm)}
    return tuple(
        name for name, layer in norms.items() if hasattr(layer, _KEEPS) or (module.training and not layer.training)
    )


def freeze(module: nn.Module, names: Collection[str]) -> None:
    """Freeze the parameters and the statistics of batch norms of these names, in place; unknown names do not count.

    Args:
        module: Changed in place.
        names: Of parameters and of batch norms, as `frozen_names` gives them.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> freeze(network, ["0.weight"])
        >>> frozen_names(network)
        ('0.weight',)
    """
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name in names:
            parameter.requires_grad = False
    for name, layer in module.named_modules(remove_duplicate=False):
        if name in names:
            setattr(layer, _KEEPS, True)


def has_frozen_statistics(layer: nn.Module) -> bool:
    """Whether training leaves a batch norm's statistics: it was frozen, or all of its own parameters are.

    Args:
        layer: A batch norm.

    Returns:
        Whether its running mean and variance stay.

    Examples:
        >>> from torch import nn
        >>> has_frozen_statistics(nn.BatchNorm2d(2)), has_frozen_statistics(nn.BatchNorm2d(2).requires_grad_(False))
        (False, True)
    """
    parameters = list(layer.parameters(recurse=False))
    frozen = bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
    return frozen or hasattr(layer, _KEEPS)
