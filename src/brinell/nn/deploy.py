"""From a network in training to the one that ships: latent layers become deployed ones, parametrised weights plain."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize

from brinell.nn.modes import replace

M = TypeVar("M", bound=nn.Module)


def deploy(module: M) -> M:
    """A copy of `module` in evaluation mode that computes the same and holds only what ships.

    A layer that has a method `deployed()` is replaced by what it returns; parametrised weights (masks, quantisers) are
    baked in.
    """
    shipped = copy.deepcopy(module)
    for name, layer in list(shipped.named_modules()):
        if parametrize.is_parametrized(layer):
            for tensor in list(layer.parametrizations):
                parametrize.remove_parametrizations(layer, str(tensor), leave_parametrized=True)
        if hasattr(layer, "deployed") and name:
            replace(shipped, name, layer.deployed())
    return shipped.eval()
