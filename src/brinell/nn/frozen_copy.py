"""A copy of a module as it is deployed: evaluation mode, no parameter that is trained, hooks and attributes kept."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from brinell.core import ModelError

M = TypeVar("M", bound=nn.Module)

_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def frozen_copy(module: nn.Module, device: torch.device | None = None) -> nn.Module:
    """A copy of `module` on `device` (its own by default) in evaluation mode, which computes what `module` does there.

    Hooks and a `forward` set on an instance come along. Wrappers that only spread or compile the work are taken off:
    `DataParallel`, `DistributedDataParallel`, `torch.compile`.

    Args:
        module: A network, perhaps inside such wrappers; it is not changed.
        device: Where the copy lies.

    Returns:
        The copy; none of its parameters requires a gradient.

    Raises:
        ModelError: it cannot be copied, or has lazy layers that were never given an image.

    Examples:
        >>> from torch import nn
        >>> frozen_copy(nn.Linear(2, 2)).weight.requires_grad
        False
    """
    for name, value in module.named_parameters():
        if is_lazy(value):
            raise ModelError(f"model: {name} belongs to a lazy layer without a shape; call the model on an image first")
    copied = _without_wrappers(copy_module(_inside(module)))
    for parameter in copied.parameters():
        # A scripted module has no `requires_grad_`, and its copy's parameters are no leaves.
        parameter.detach_().requires_grad_(False)
    if device is not None:
        copied = copied.to(device)
    with suppress(NotImplementedError):  # what torch.export made has one mode only
        copied.eval()
    return copied


def copy_module(module: M) -> M:
    """`copy.deepcopy`, which also takes modules that keep tensors with a history as attributes: they are detached.

    Args:
        module: Of any class.

    Returns:
        A copy that shares no tensor with it.

    Raises:
        ModelError: something in the module cannot be copied.

    Examples:
        >>> from torch import nn
        >>> layer = nn.Linear(2, 2)
        >>> copy_module(layer).weight is layer.weight
        False
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about PyTorch's own copying
        try:
            return copy.deepcopy(module)
        except Exception as error:  # a user's class may raise anything
            failure: Exception = error
        history = {id(tensor): tensor.detach().clone() for tensor in _with_history(module, set())}
        try:
            if history:
                return copy.deepcopy(module, history)
        except Exception as error:
            failure = error
    reason = " ".join(str(failure).split())[:200]
    raise ModelError(
        f"model: {type(module).__name__} cannot be copied: {type(failure).__name__}: {reason}"
    ) from failure


def _with_history(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """Tensors that are computed from others, in attributes of modules and hooks, and in containers there."""
    if id(value) in seen or isinstance(value, (type, torch.Generator)):
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        if not value.is_leaf:
            yield value
    elif isinstance(value, dict):
        for item in list(value.values()):
            yield from _with_history(item, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _with_history(item, seen)
    elif isinstance(value, types.MethodType):
        yield from _with_history(value.__self__, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, (types.FunctionType, types.ModuleType)):
        yield from _with_history(vars(value), seen)


def _without_wrappers(module: nn.Module) -> nn.Module:
    """The module itself with its parts' wrappers taken off, in place."""
    for name, part in list(module.named_children()):
        inside = _without_wrappers(_inside(part))
        if inside is not part:
            setattr(module, name, inside)
    return module


def _inside(module: nn.Module) -> nn.Module:
    """What a wrapper wraps; one with hooks of its own stays, for they would be lost."""
    inner = getattr(module, "_orig_mod", None)
    if isinstance(module, (nn.DataParallel, DistributedDataParallel)):
        inner = module.module
    if not isinstance(inner, nn.Module) or any(getattr(module, name, None) for name in _HOOKS):
        return module
    return _inside(inner)


def has_hooks(module: nn.Module) -> bool:
    """Whether calling this module does more than its class's `forward`: hooks of any kind, a forward of its own.

    Args:
        module: Its parts are not looked at.

    Returns:
        Whether tracing its `forward` alone would leave something out.

    Examples:
        >>> from torch import nn
        >>> network = nn.ReLU()
        >>> _ = network.register_forward_hook(lambda module, inputs, output: 2 * output)
        >>> has_hooks(network), has_hooks(nn.ReLU())
        (True, False)
    """
    return any(getattr(module, name, None) for name in _HOOKS) or "forward" in vars(module)
