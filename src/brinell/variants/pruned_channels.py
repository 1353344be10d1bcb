"""Layers with fewer channels than the architecture gave them: what filter and channel pruning leave."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import FailFast, Field, model_validator
from torch import nn

from brinell.core import ModelError
from brinell.nn import SLICEABLE, depthwise, kept_ties, slice_channels, widths
from brinell.variants.structure_change import StructureChange

Channels = Annotated[int, Field(ge=1, le=1 << 24, strict=True)]


class Width(NamedTuple):
    """How many channels one layer takes and gives; both are the same for batch norm and depthwise convolutions."""

    layer: str
    inputs: Channels
    outputs: Channels


class PrunedChannels(StructureChange):
    """The named convolutions, linear layers and batch norms have these channels left, of those they had."""

    kind = "narrower"

    widths: Annotated[tuple[Width, ...], FailFast()] = Field(min_length=1, max_length=1 << 16)

    @model_validator(mode="after")
    def _each_once(self) -> PrunedChannels:
        if len({width.layer for width in self.widths}) < len(self.widths):
            raise ValueError("a layer stands in it twice")
        return self

    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Keep the first channels of each layer: which ones it really were, the tensors know that are loaded next."""
        parts = dict(module.named_modules())
        with kept_ties(module, SLICEABLE):
            for width in self.widths:
                layer = parts.get(width.layer)
                if not isinstance(layer, SLICEABLE):
                    raise ModelError(f"{width.layer!r} is not a convolution, linear layer or batch norm of this model")
                _check(layer, width)
                slice_channels(layer, slice(width.inputs), slice(width.outputs))


def _check(layer: nn.Module, width: Width) -> None:
    inputs, outputs = widths(layer)
    if width.inputs > inputs or width.outputs > outputs:
        raise ModelError(
            f"{width.layer!r} has {inputs} input and {outputs} output channels; {width.inputs} and {width.outputs} "
            "are not left of them"
        )
    tied = depthwise(layer) or isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))
    grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1 and not tied
    if grouped or (tied and width.inputs != width.outputs):
        raise ModelError(f"{width.layer!r} cannot take {width.inputs} channels and give {width.outputs}")
