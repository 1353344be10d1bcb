"""From a network in training to the one that ships: latent layers become deployed ones, parametrised weights plain."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm, SpectralNormLoadStateDictPreHook
from torch.nn.utils.weight_norm import WeightNorm

from brinell.nn.binary_layers.binary_layer import BinaryLayer
from brinell.nn.fold_statistics import fold_network_statistics
from brinell.nn.frozen_copy import copy_module
from brinell.nn.module_utils import replace
from brinell.nn.tied import share_tensors, weight_identity

M = TypeVar("M", bound=nn.Module)


def deploy(module: M) -> M:
    """A copy of `module` in evaluation mode that computes the same and holds only what ships.

    A layer that has a method `deployed()` is replaced by what it returns. Weights that are computed from others are
    baked in: parametrised ones (masks, quantisers) and those of the older hooks (`weight_norm`, `spectral_norm`,
    `utils.prune`), which are computed anew: what the attribute holds may be of another checkpoint. Binary layers that
    shared latent weights share what becomes of them. Batch norms of a binary network ship as slope and offset
    (`fold_statistics`).

    Args:
        module: It is not changed.

    Returns:
        The copy.

    Raises:
        ModelError: the module cannot be copied.

    Examples:
        >>> from torch import nn
        >>> from torch.nn.utils.parametrizations import weight_norm
        >>> sorted(deploy(weight_norm(nn.Linear(2, 2))).state_dict())
        ['bias', 'weight']
    """
    shipped = copy_module(module).eval()
    made: dict[int, tuple[nn.Module, nn.Module]] = {}
    for name, layer in list(shipped.named_modules()):
        for hook in list(layer._forward_pre_hooks.values()):
            if isinstance(hook, _WEIGHT_HOOKS):
                _bake(layer, hook)
        if parametrize.is_parametrized(layer):
            own = type(layer)  # shared with the original, which would lose its parametrisation as well
            layer.__class__ = type(own.__name__, own.__bases__, dict(vars(own)))
            for tensor in list(layer.parametrizations):
                parametrize.remove_parametrizations(layer, str(tensor), leave_parametrized=True)
        if hasattr(layer, "deployed") and name:
            part = layer.deployed()
            _, first = made.setdefault(id(weight_identity(layer)), (layer, part))
            if first is not part and isinstance(part, BinaryLayer):
                share_tensors(first, part, part.weight_tensors)
            replace(shipped, name, part)
    fold_network_statistics(shipped.eval())
    return shipped


_WEIGHT_HOOKS = (WeightNorm, SpectralNorm, BasePruningMethod)


@torch.no_grad()
def _bake(layer: nn.Module, hook: WeightNorm | SpectralNorm | BasePruningMethod) -> None:
    """Make what `hook` computes before every forward pass a parameter again."""
    if isinstance(hook, BasePruningMethod):
        prune.remove(layer, hook._tensor_name)
    elif isinstance(hook, SpectralNorm):
        nn.utils.remove_spectral_norm(layer, hook.name)
        for key, wrapped in list(layer._load_state_dict_pre_hooks.items()):
            # PyTorch wraps the hook that loads the state, and then no longer finds it when it removes the norm.
            if isinstance(getattr(wrapped, "hook", None), SpectralNormLoadStateDictPreHook):
                del layer._load_state_dict_pre_hooks[key]
    else:
        nn.utils.remove_weight_norm(layer, hook.name)
