"""What binary compressors share: which layers they take, and what they say of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from brinell import costs
from brinell.core import ConfigurationError, ModelError
from brinell.nn import BinaryLayer, frozen_names, numeric_padding, tied_layers


@dataclass(frozen=True)
class BinaryChoice:
    """The convolutions that become binary, in the order in which they run, and why each other layer stays float."""

    layers: tuple[str, ...]
    reasons: Mapping[str, str]


def select_binary_layers(
    module: nn.Module, input_shape: tuple[int, int, int], float_layers: Sequence[str]
) -> BinaryChoice:
    """Which convolutions become binary: all but the first and those that match `float_layers`.

    Those are names or patterns, as a shell has them. What cannot be binary stays float as well: convolutions that pad
    otherwise than with zeros equally on both sides, that compute more than a convolution does (hooks, a `forward` of
    their own), that are frozen, and that share their weight with one that stays float.

    Raises:
        ConfigurationError: `float_layers` names something else.
        ModelError: none is left.
    """
    parts = dict(module.named_modules())
    counted = costs.layers(module, input_shape)
    order = [layer.name for layer in counted if layer.output_shape and isinstance(parts[layer.name], nn.Conv2d)]
    unknown = [name for name in float_layers if not fnmatch.filter(order, name)]
    if unknown:
        raise ConfigurationError(
            f"float_layers: {unknown[0]!r} is not a convolution of this model; it has {', '.join(order)}"
        )
    reasons = {
        layer.name: f"{type(parts[layer.name]).__name__} layers stay float"
        for layer in counted
        if layer.kind == "float"
    }
    reasons |= {name: "it does not run in evaluation" for name, part in parts.items() if isinstance(part, nn.Conv2d)}
    frozen = bool(frozen_names(module))
    for place, name in enumerate(order):
        kept = any(fnmatch.fnmatch(name, pattern) for pattern in float_layers)
        reasons[name] = _reason(parts[name], first=place == 0, kept=kept, frozen=frozen)
    for names in tied_layers(module, (nn.Conv2d,)).values():
        if (stays := next((name for name in names if reasons[name]), None)) is not None:
            why = f"shares its weight with {stays}, which stays float"
            reasons |= {name: why for name in names if not reasons[name]}
    chosen = tuple(name for name in order if not reasons[name])
    if not chosen:
        why = "; ".join(f"{name}: {reasons[name]}" for name in order) or "it has none"
        raise ModelError(f"no convolution is left to make binary ({why})")
    return BinaryChoice(chosen, {name: reason for name, reason in reasons.items() if reason})


def binary_candidates(
    module: nn.Module, input_shape: tuple[int, int, int], float_layers: Sequence[str]
) -> tuple[str, ...]:
    """The layers of `select_binary_layers`, which raises for the same reasons."""
    return select_binary_layers(module, input_shape, float_layers).layers


def _reason(layer: Any, *, first: bool, kept: bool, frozen: bool) -> str:
    """Why a convolution stays float; empty: it does not."""
    if first:
        return "the first convolution"
    if kept:
        return "one of float_layers"
    if numeric_padding(layer) is None:
        return f"pads by {layer.padding_mode}, {layer.padding}; binary ones pad with zeros, equally on both sides"
    if layer.weight.dtype is not torch.float32:
        return f"computes in {layer.weight.dtype}"
    if frozen and not all(parameter.requires_grad for parameter in layer.parameters(recurse=False)):
        return "frozen"
    own = type(layer).forward is not nn.Conv2d.forward or "forward" in vars(layer)
    if own or type(layer)._conv_forward is not nn.Conv2d._conv_forward:
        return f"computes more than a convolution ({type(layer).__name__} has a forward of its own)"
    if layer._forward_hooks or layer._forward_pre_hooks:
        return "has hooks"
    return ""


def count_binary_weights(
    module: nn.Module, input_shape: tuple[int, int, int], covered: Mapping[str, Any]
) -> dict[str, Any]:
    """How many layers are binary, how many weights are and are not, and what is covered."""
    counted = costs.layers(module, input_shape)
    return {
        "binary_layers": sum(layer.kind == "binary" for layer in counted),
        "binary_weights": sum(layer.weights for layer in counted if layer.kind == "binary"),
        "float_weights": sum(layer.weights for layer in counted if layer.kind == "float"),
        "coverage": covered,
    }


def check_binary_weights(module: nn.Module, layers: Sequence[str], kind: type[BinaryLayer]) -> None:
    """Refuse a deployed network in which one of `layers` is no binary layer of `kind`, or has a bit that is not +-1.

    Raises:
        ModelError: the layer.
    """
    for name in layers:
        layer = module.get_submodule(name)
        bits = getattr(layer, "bits", None) if hasattr(layer, "bits") else getattr(layer, "weight", None)
        if not isinstance(layer, kind) or bits is None or not bool((bits.abs() == 1).all()):
            raise ModelError(f"{name} was to be binary, and its weights are not all +1 or -1")
