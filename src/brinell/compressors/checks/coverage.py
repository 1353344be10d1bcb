"""Which share of a network's weights a compressor covers, and which parameters it leaves alone, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import prod
from typing import Any, Final

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from brinell.compressors.checks.float_layers import FLOAT_LAYERS
from brinell.nn import BinaryLayer, weight_identity

EXPECTED: Final = 0.8
"""Share of the weights below which a result is warned of: the rest of the network is not what was asked for."""

_NORMS: Final = (_NormBase, nn.LayerNorm, nn.GroupNorm)


def coverage(module: nn.Module, covered: Collection[str], reasons: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Figures of a compressor's step: `share` of all `weights` that are `covered`, and what is `untouched`, by name.

    Weights are the parameters of two dimensions or more, those of normalisations left out; one that is shared counts
    once. `covered` are names of layers, and `reasons` says of others why they are not. A layer's weight stands under
    the layer's name, any other parameter under its own.
    """
    total, done = 0, 0
    untouched: dict[str, dict[str, Any]] = {}
    for names, layer, count, reason in _weights(module):
        total += count
        if any(name in covered for name in names):
            done += count
            continue
        said = next((reasons[name] for name in names if reasons and name in reasons), reason)
        untouched[names[0]] = {"weights": count, "reason": said or f"a {type(layer).__name__}"}
    return {
        "share": done / total if total else 1.0,
        "weights": total,
        "covered": done,
        "untouched": dict(sorted(untouched.items(), key=lambda item: -item[1]["weights"])),
    }


def _weights(module: nn.Module) -> Iterator[tuple[list[str], nn.Module, int, str]]:
    """Names, layer, size and a reason to leave it alone (empty: none that is known) of every weight, each once."""
    found: dict[int, tuple[list[str], nn.Module, int, str]] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, BinaryLayer):
            entry = ([name], layer, prod(layer.weight_shape), "binary already")
            found.setdefault(id(weight_identity(layer)), entry)[0].append(name)
            continue
        if isinstance(layer, _NORMS):
            continue
        for own, parameter in layer.named_parameters(recurse=False):
            if parameter.dim() > 1 and parameter.is_floating_point():
                known = own == "weight" and isinstance(layer, FLOAT_LAYERS)
                full = name if known else f"{name}.{own}".removeprefix(".")
                entry = ([full], layer, parameter.numel(), _reason(layer, known, frozen=not parameter.requires_grad))
                found.setdefault(id(parameter), entry)[0].append(full)
    yield from found.values()


def _reason(layer: nn.Module, known: bool, *, frozen: bool) -> str:
    if frozen:
        return "frozen"
    return "" if known else f"a parameter of {type(layer).__name__}, which is no convolution or linear layer"
