"""Binary convolutions in place of float ones."""

from __future__ import annotations

from typing import Annotated

from torch import nn

from brinell.core import OmitDefaultFromKey
from brinell.nn import BinaryConv2d, BinaryLayer, LatentBinaryConv2d, WeightGradient
from brinell.variants.structure_change import StructureChange, replace_convolutions


class BinaryLayers(StructureChange):
    """The named convolutions become binary ones behind a batch norm and a sign."""

    kind = "binary_layers"

    layers: tuple[str, ...]
    input_scale: Annotated[bool, OmitDefaultFromKey()] = False
    gradient: Annotated[WeightGradient, OmitDefaultFromKey()] = "product"
    """Of the latent weights; what ships does not depend on it."""

    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Replace the layers in place."""
        replace_convolutions(
            module,
            self.layers,
            self._latent if latent else lambda before: BinaryConv2d(before, input_scale=self.input_scale),
        )

    def _latent(self, before: nn.Conv2d) -> BinaryLayer:
        return LatentBinaryConv2d(before, input_scale=self.input_scale, gradient=self.gradient)
