"""The check of a copied module: it computes with its own weights, not with those of the module it was copied from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from brinell.core import ModelError
from brinell.nn import copy_module


@torch.no_grad()
def check_own_weights(copied: nn.Module, original: nn.Module, input_shape: tuple[int, int, int]) -> int | None:
    """Refuse a copy that computes with tensors of the `original`.

    Copying a module copies no functions. One that was made with the module's layers (set as `forward`, as a hook, or
    as an attribute) goes on with those of the original: the copy would answer with weights that are neither
    compressed nor stored. Every operation of a forward pass is looked at; the `original` is not changed.

    Args:
        copied: The copy.
        original: What it was copied from.
        input_shape: `(C, H, W)` of one image.

    Returns:
        How many logits an image has, where the pass gives any.

    Raises:
        ModelError: the tensor's name.

    Examples:
        >>> import copy
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> check_own_weights(copy.deepcopy(network), network, (1, 2, 2))
        3
    """
    first = next((value for value in copied.parameters() if value.is_floating_point()), torch.zeros(()))
    images = torch.full((2, *input_shape), 0.5, dtype=first.dtype, device=first.device)
    watch = _WatchTensors(dict(_tensors_by_storage(original)))
    logits = None
    try:
        with watch:
            logits = copy_module(copied).eval()(images)
    except Exception:  # whether it can be called is for others to find out; a user's forward pass may raise anything
        if watch.found is None:
            return None
    if watch.found is not None:
        raise ModelError(
            f"model: a function that it holds (as forward, a hook or an attribute) computes with {watch.found} of the "
            "module it was made with, also in a copy; make it a method of a class"
        )
    return logits.shape[1] if isinstance(logits, Tensor) and logits.dim() == 2 else None


class _WatchTensors(TorchDispatchMode):
    """Stops at the first operation that takes one of the tensors."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = names
        self.found: str | None = None

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and (storage := _storage(value)) in self.names:
                self.found = self.names[storage]
                raise ModelError(self.found)
        return operation(*args, **(kwargs or {}))


def _tensors_by_storage(module: nn.Module) -> Iterator[tuple[int, str]]:
    """Addresses and names of the parameters, and of what batch norms keep; other buffers are constants."""
    for name, part in module.named_modules():
        kept = [*part._parameters.items(), *(part._buffers.items() if isinstance(part, _NormBase) else ())]
        for own, value in kept:
            if value is not None and (storage := _storage(value)):
                yield storage, f"{name}.{own}" if name else own


def _storage(value: Tensor) -> int:
    """The address of what the tensor is a view of; 0 where it has none."""
    try:
        return value.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse and packed tensors have no storage
        return 0
