"""XNOR-Net: convolutions of bits by bits (Rastegari 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch

from brinell.compressors.binarization import binary_candidates, binary_figures
from brinell.compressors.compressor import Compressor
from brinell.compressors.training_stages import stages
from brinell.core import OmitDefaultFromKey, Progress, no_progress
from brinell.data import Dataset
from brinell.nn import WeightGradient
from brinell.training import Train
from brinell.variants import BinaryLayers, Step, Variant


class XNORNet(Compressor):
    """Make convolutions binary, starting from the float weights, and train them through straight-through gradients.

    A binary layer is batch norm, sign, and a convolution with weights scale * sign(W), the scale a filter's mean |W|
    (section 3.2; without the input's scale K, as in BreakingBED, unless `input_scale` asks for it). The first
    convolution, all linear layers and the `float_layers` (names, or patterns such as `*.downsample.*`) stay float: in
    the paper's ResNet-18 row those are the downsampling convolutions, in its ABC-Net rows none. The latent weights
    are centred and clipped after every step. Weight decay pulls them towards zero, where signs flip easily, so there is
    none by default.

    Examples:
        >>> import brinell
        >>> brinell.compressors.XNORNet(float_layers=("*.downsample.*",)).gradient
        'product'
    """

    kind = "xnor_net"

    float_layers: tuple[str, ...] = ()
    """Names, or patterns, of layers that are not binarised."""
    input_scale: Annotated[bool, OmitDefaultFromKey()] = False
    """Multiply outputs by the mean size of the inputs that each window covers (K, section 3.2)."""
    gradient: Annotated[WeightGradient, OmitDefaultFromKey()] = "product"
    """How gradients reach the latent weights (`brinell.nn.xnor_weight`)."""
    train: Train = Train(epochs=30, batch_size=128, learning_rate=1e-2, optimizer="adamw", weight_decay=0)
    """Training settings; a mapping changes these defaults."""

    @property
    def epochs(self) -> int:
        """Of its one training."""
        return self.train.epochs

    def view_from(self, parent: str) -> str:
        """A sign has no gradient but the one that training lends it."""
        return "straight_through"

    def check(self, variant: Variant) -> None:
        """There are convolutions to make binary, and those that stay float are among them."""
        binary_candidates(variant.trainable(), variant.input_shape, self.float_layers)

    def compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None = None,
        checkpoint: Path | None = None,
        progress: Progress = no_progress,
    ) -> Variant:
        """The binary variant; its latent weights are kept beside what ships."""
        module = variant.trainable()
        change = BinaryLayers(
            layers=binary_candidates(module, variant.input_shape, self.float_layers),
            input_scale=self.input_scale,
            gradient=self.gradient,
        )
        change.apply(module, latent=True)
        run = stages(
            self, variant, data, self.train, seed=seed, device=device, checkpoint=checkpoint, progress=progress
        )
        run.fit(1, module)
        step = Step(self.kind, self.config(), seed, binary_figures(module, variant.input_shape))
        return variant.child(module, step, structure=(*variant.structure, change))
