"""ABC-Net's convolutions in place of float ones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import nn

from brinell.nn import ABCConv2d, LatentABCConv2d
from brinell.variants.structure_change import StructureChange, replace_convolutions


class ABCLayers(StructureChange):
    """The named convolutions become sums of binary ones behind a batch norm and a staircase of signs."""

    kind = "abc_layers"

    layers: tuple[str, ...]
    weight_bases: int = Field(ge=1)
    activation_bases: int = Field(ge=1)
    scales: Literal["filter", "layer"]

    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Replace the layers in place."""
        kind, per_filter = LatentABCConv2d if latent else ABCConv2d, self.scales == "filter"
        replace_convolutions(
            module,
            self.layers,
            lambda before: kind(before, self.weight_bases, self.activation_bases, per_filter=per_filter),
        )
