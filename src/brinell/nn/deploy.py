"""From a network in training to the one that ships: latent layers become deployed ones, parametrised weights plain."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize

from brinell.nn.binary_layer import BinaryLayer
from brinell.nn.fold_statistics import fold_binary_statistics
from brinell.nn.module_utils import replace
from brinell.nn.tied import share_tensors, weight_of

M = TypeVar("M", bound=nn.Module)


def deploy(module: M) -> M:
    """A copy of `module` in evaluation mode that computes the same and holds only what ships.

    A layer that has a method `deployed()` is replaced by what it returns; parametrised weights (masks, quantisers) are
    baked in. Binary layers that shared latent weights share what becomes of them. Batch norms of a binary network ship
    as slope and offset (`fold_statistics`).
    """
    shipped = copy.deepcopy(module)
    made: dict[int, tuple[nn.Module, nn.Module]] = {}
    for name, layer in list(shipped.named_modules()):
        if parametrize.is_parametrized(layer):
            own = type(layer)  # shared with the original, which would lose its parametrisation as well
            layer.__class__ = type(own.__name__, own.__bases__, dict(vars(own)))
            for tensor in list(layer.parametrizations):
                parametrize.remove_parametrizations(layer, str(tensor), leave_parametrized=True)
        if hasattr(layer, "deployed") and name:
            part = layer.deployed()
            _, first = made.setdefault(id(weight_of(layer)), (layer, part))
            if first is not part and isinstance(part, BinaryLayer):
                share_tensors(first, part, part.weight_tensors)
            replace(shipped, name, part)
    fold_binary_statistics(shipped.eval())
    return shipped
