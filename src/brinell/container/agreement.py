"""Whether a header's `input_shape` and `classes` are those of the network that it describes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brinell.container.header import Header
from brinell.core import ModelError, StoreError
from brinell.models import Architecture, GraphArchitecture
from brinell.nn import copy_module
from brinell.nn.onnx_graph import OnnxNetwork
from brinell.variants import PrunedChannels

_IMAGES = 2


def check_declared(header: Header, architecture: Architecture, module: nn.Module, changes: Sequence[object]) -> None:
    """Compare what the header declares with the architecture.

    Where images have another size than the architecture's, or channels were pruned, a forward pass on shapes alone
    decides: it needs no values, but the first one of a process takes 0.7 s.

    Raises:
        StoreError: what is declared, and what the network takes or gives.
    """
    _check_architecture(header, architecture)
    pruned = any(isinstance(change, PrunedChannels) for change in changes)
    if isinstance(module, OnnxNetwork) or (header.input_shape == architecture.input_shape and not pruned):
        return
    try:
        classes = _count_logits(module, header.input_shape)
    except NotImplementedError:  # an operator that does not compute on shapes
        return
    except (RuntimeError, ValueError, TypeError, ArithmeticError, ModelError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StoreError(f"input_shape {header.input_shape} does not fit its network: {reason}") from None
    check_classes(header, classes)


def check_classes(header: Header, logits: int | None) -> None:
    """Compare the header's classes with the logits that the network was seen to give, where it was.

    Raises:
        StoreError: they differ.
    """
    if logits not in (None, header.classes):
        raise StoreError(f"the header declares {header.classes} classes, and its network gives {logits}")


def _check_architecture(header: Header, architecture: Architecture) -> None:
    if header.classes != architecture.classes:
        raise StoreError(f"the header declares {header.classes} classes, and its architecture {architecture.classes}")
    expected, declared = architecture.input_shape, header.input_shape
    fits = declared == expected if isinstance(architecture, GraphArchitecture) else declared[0] == expected[0]
    if not fits:
        raise StoreError(f"the header declares images {declared}, and its architecture {expected}")


def _count_logits(module: nn.Module, input_shape: tuple[int, int, int]) -> int | None:
    """How many logits an image has; `None` where the output is something else."""
    parameters = (value for value in module.parameters() if value.is_floating_point())
    dtype = next((value.dtype for value in parameters), torch.float32)
    with torch.no_grad():
        logits = copy_module(module).to("meta").eval()(torch.empty(_IMAGES, *input_shape, dtype=dtype, device="meta"))
    return logits.shape[1] if isinstance(logits, Tensor) and logits.dim() == 2 else None
