"""XNOR-Net: convolutions of bits by bits (Rastegari 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from brinell.compressors.binarization import (
    binary_candidates,
    check_binary_weights,
    count_binary_weights,
    select_binary_layers,
)
from brinell.compressors.checks.coverage import coverage
from brinell.compressors.compressor import Compressor
from brinell.compressors.training_stages import stages
from brinell.core import OmitDefaultFromKey, Progress
from brinell.data import Dataset
from brinell.models import Architecture
from brinell.nn import BinaryConv2d, WeightGradient
from brinell.training import Train
from brinell.variants import BinaryLayers, Step, Variant


class XNORNet(Compressor):
    """Make convolutions binary, starting from the float weights, and train them through straight-through gradients.

    A binary layer is batch norm, sign, and a convolution with weights scale * sign(W), the scale a filter's mean |W|
    (section 3.2; without the input's scale K, as in BreakingBED, unless `input_scale` asks for it). The first
    convolution, all linear layers and the `float_layers` (names, or patterns such as `*.downsample.*`) stay float: in
    the paper's ResNet-18 row those are the downsampling convolutions, in its ABC-Net rows none. What else cannot be
    binary stays float, and the step's figures name it (`select_binary_layers`). The latent weights are clipped
    after every step, and centred over a filter's input channels, where it has more than one: a depthwise filter's only
    channel is its mean. Weight decay pulls weights towards zero, where signs flip easily, so there is none by default.

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

    def identity_for(self, parent: Architecture) -> dict[str, Any]:
        """Revision 2 is of networks with depthwise convolutions, whose filters revision 1 set to zero."""
        with torch.device("meta"):
            layers = list(parent.network().modules())
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        one_channel = any(layer.groups == layer.in_channels > 1 for layer in convolutions)
        return {**self.identity(), "revision": 2} if one_channel else self.identity()

    def view_from(self, parent: str) -> str:
        """A sign has no gradient but the one that training lends it."""
        return "straight_through"

    def check(self, variant: Variant) -> None:
        """There are convolutions to make binary, and those that stay float are among them."""
        binary_candidates(variant.trainable(), variant.input_shape, self.float_layers)

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> Variant:
        """The binary variant; its latent weights are kept beside what ships."""
        module = variant.trainable()
        choice = select_binary_layers(module, variant.input_shape, self.float_layers)
        covered = coverage(module, choice.layers, choice.reasons)
        change = BinaryLayers(
            layers=choice.layers,
            input_scale=self.input_scale,
            gradient=self.gradient,
        )
        change.apply(module, latent=True)
        run = stages(
            self, variant, data, self.train, seed=seed, device=device, checkpoint=checkpoint, progress=progress
        )
        run.fit(1, module)
        step = Step(self.kind, self.config(), seed, count_binary_weights(module, variant.input_shape, covered))
        return variant.child(module, step, structure=(*variant.structure, change))

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """The layers are binary in the network that ships."""
        change = child.structure[-1]
        check_binary_weights(
            child.deployed("reference"), change.layers if isinstance(change, BinaryLayers) else (), BinaryConv2d
        )
