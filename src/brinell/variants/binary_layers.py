"""Binary convolutions in place of float ones."""

from __future__ import annotations

from torch import nn

from brinell.nn import BinaryConv2d, LatentBinaryConv2d, replace
from brinell.variants.change import Change, convolution


class BinaryLayers(Change):
    """The named convolutions become binary ones behind a batch norm and a sign."""

    kind = "binary_layers"

    layers: tuple[str, ...]

    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Replace the layers in place."""
        layer = LatentBinaryConv2d if latent else BinaryConv2d
        for name in self.layers:
            replace(module, name, layer(convolution(module, name)))
