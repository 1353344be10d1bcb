"""What binary compressors share: which layers they take, and what they say of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from torch import nn

from brinell import costs
from brinell.core import ConfigurationError, ModelError


def binary_candidates(
    module: nn.Module, input_shape: tuple[int, int, int], float_layers: Sequence[str]
) -> tuple[str, ...]:
    """The convolutions that become binary, in the order in which they run: all but the first and `float_layers`.

    Those are names or patterns, as a shell has them.

    Raises:
        ConfigurationError: `float_layers` names something else.
        ModelError: none is left.
    """
    parts = dict(module.named_modules())
    order = [layer.name for layer in costs.layers(module, input_shape) if layer.output_shape]
    convolutions = [name for name in order if isinstance(parts[name], nn.Conv2d)]
    unknown = [name for name in float_layers if not fnmatch.filter(convolutions, name)]
    if unknown:
        raise ConfigurationError(
            f"float_layers: {unknown[0]!r} is not a convolution of this model; it has {', '.join(convolutions)}"
        )
    kept = {name for pattern in float_layers for name in fnmatch.filter(convolutions, pattern)}
    rest = tuple(name for name in convolutions[1:] if name not in kept)
    if not rest:
        raise ModelError("no convolution is left to make binary: the first one and float_layers stay float")
    return rest


def binary_figures(module: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """How many layers are binary, and how many weights are and are not."""
    counted = costs.layers(module, input_shape)
    return {
        "binary_layers": sum(layer.kind == "binary" for layer in counted),
        "binary_weights": sum(layer.weights for layer in counted if layer.kind == "binary"),
        "float_weights": sum(layer.weights for layer in counted if layer.kind == "float"),
    }
