"""A network of somebody's code as a graph, so that files of it stand alone."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brinell.core import ModelError, derive_seed
from brinell.models.graph import build_graph
from brinell.models.normalized import Normalized
from brinell.nn import freeze, frozen_norms
from brinell.nn.graph import read_exported, safe_name

_IMAGES: Final = 4
_TOLERANCE: Final = 1e-4
"""Of the largest logit, or of the largest gradient."""


def capture_graph(module: nn.Module, input_shape: tuple[int, int, int]) -> Normalized:
    """The same network with its graph as its architecture: a `.brinell` file of it needs nobody's code.

    It is exported with `torch.export` in evaluation mode and read as a `.pt2` file is. Logits and gradients of random
    images are compared with those of `module`, so that a network whose author wrote its gradients (binary ones) is
    refused rather than changed. Parameters that require no gradient stay frozen, as do batch norms in evaluation mode
    where `module` is in training mode.

    Args:
        module: From images in [0, 1] to logits; it is not changed.
        input_shape: (channels, height, width).

    Returns:
        The network, in evaluation mode. One that `build` made, or that is a graph already, is returned as it is.

    Raises:
        ModelError: It cannot be exported, has operators that are not known (all are named), or computes something else
            as a graph.

    Examples:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> capture_graph(module, (1, 8, 8)).architecture.classes
        10
    """
    if getattr(module, "architecture", None) is not None and isinstance(module, Normalized):
        return module
    bare, mean, std = _without_normalization(module)
    frozen = frozen_norms(bare)
    training = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        graph, tensors = read_exported(_exported(bare, input_shape))
        captured = build_graph(graph, tensors, mean, std)
        _freeze_norms(captured.model, frozen)
        _check(captured, module, input_shape)
    finally:
        for name, part in module.named_modules():
            part.training = training[name]
    return captured


def _without_normalization(module: nn.Module) -> tuple[nn.Module, Any, Any]:
    """The bare network with its mean and deviation; those of another order of channels stay part of the graph."""
    if not isinstance(module, Normalized) or module.channel_order != "rgb":
        return module, None, None
    mean, std = (tuple(values.flatten().tolist()) for values in (module.mean, module.std))
    return module.model, mean, std


def _exported(module: nn.Module, input_shape: tuple[int, int, int]) -> io.BytesIO:
    file = io.BytesIO()
    parameter = next(module.parameters(), None)
    images = torch.zeros(2, *input_shape, device=None if parameter is None else parameter.device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's own, about its own code
            torch.export.save(torch.export.export(module, (images,)), file)
    except Exception as error:  # tracing runs the user's own code, which raises whatever it meets
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"torch.export cannot export the network: {type(error).__name__}: {reason}") from error
    file.seek(0)
    return file


def _freeze_norms(captured: nn.Module, names: Sequence[str]) -> None:
    layers = dict(captured.named_modules())
    for name in names:
        if not isinstance(layers.get(safe_name(name)), _BatchNorm):
            raise ModelError(f"the batch norm {name!r} is frozen, and is no layer of the graph")
    freeze(captured, [safe_name(name) for name in names])


def _check(captured: nn.Module, module: nn.Module, input_shape: tuple[int, int, int]) -> None:
    draw = torch.Generator().manual_seed(derive_seed(0, "capture"))
    images = torch.rand(_IMAGES, *input_shape, generator=draw)
    weights = torch.rand(_IMAGES, 1, generator=draw)
    parameter = next(module.parameters(), None)
    device = images.device if parameter is None else parameter.device
    own, found = (_logits_and_gradient(part, images.to(device), weights.to(device)) for part in (module, captured))
    for name, expected, other in zip(("logits", "gradients"), own, found, strict=True):
        distance = float((expected - other).abs().max())
        if not distance <= _TOLERANCE * max(float(expected.abs().max()), 1e-12):
            raise ModelError(f"as a graph the network has other {name} (they differ by {distance:.2g})")


def _logits_and_gradient(module: nn.Module, images: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        images = images.clone().requires_grad_()
        logits = module(images)
        loss = (weights * logits.log_softmax(1).square()).sum()
        if not loss.requires_grad:
            return logits, torch.zeros_like(images)
        (gradient,) = torch.autograd.grad(loss, images, allow_unused=True)
    return logits.detach(), torch.zeros_like(images) if gradient is None else gradient
