"""ABC-Net: convolutions as sums of binary ones (Lin 2017)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from brinell.compressors.abc_calibration import calibrate
from brinell.compressors.binarization import (
    binary_candidates,
    check_binary_weights,
    count_binary_weights,
    select_binary_layers,
)
from brinell.compressors.checks.coverage import coverage
from brinell.compressors.compressor import Compressor
from brinell.compressors.training_stages import Stages, stages
from brinell.core import Fraction, OmitDefaultFromKey, Progress, derive_seed
from brinell.data import Dataset
from brinell.nn import ABCConv2d
from brinell.training import Train
from brinell.variants import ABCLayers, Step, Variant

_AT_ONCE: Final = 64
"""Images a pass of the calibration."""


class ABCNet(Compressor):
    """Approximate convolutions by `weight_bases` x `activation_bases` binary ones, and train them from the float net.

    Weights are sum_m alpha_m B_m with B_m = sign(W - mean + u_m std), the u_m evenly from -1 to 1, and alphas by least
    squares, each filter's own (`scales: filter`) or one a base (`layer`). Activations are sum_n beta_n A_n over batch-
    normed inputs, with thresholds and betas that are trained. Gradients pass the weights' approximation as they are,
    and each A_n where its ramp rises (section 3). The first convolution, all linear layers and `float_layers` stay
    float.

    `calibration` training images show each layer what its inputs are like: without them thresholds start evenly
    spaced, behind batch norms that know nothing yet, and training takes several times as long. With few activation
    bases a `window` of 2 learns much faster than the default.

    Examples:
        >>> import brinell
        >>> brinell.compressors.ABCNet(weight_bases=3, activation_bases=3).calibration
        512
    """

    kind = "abc_net"

    weight_bases: int = Field(1, ge=1)
    """Number M of binary bases of the weights."""
    activation_bases: int = Field(1, ge=1)
    """Number N of binary bases of the activations."""
    scales: Literal["filter", "layer"] = "filter"
    """One alpha for each `filter` or for each `layer`."""
    float_layers: tuple[str, ...] = ()
    """Names, or patterns, of layers that are not binarised."""
    calibration: int = Field(512, ge=0)
    """Training images that initialise batch norms, thresholds and betas; 0: evenly spaced thresholds."""
    window: Annotated[Fraction | None, OmitDefaultFromKey()] = Field(None, gt=0)
    """How many steps of its staircase a threshold's gradient reaches across, as calibration starts it; `None`: as far
    as one deviation of the inputs."""
    train: Train = Train(epochs=30, batch_size=128, learning_rate=2e-3, optimizer="adamw", weight_decay=0)
    """Training settings; a mapping changes these defaults."""

    @model_validator(mode="after")
    def _a_window_needs_calibration(self) -> Self:
        if self.window is not None and not self.calibration:
            raise ValueError("window needs calibration, which measures the steps")
        return self

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
        change = ABCLayers(
            layers=choice.layers,
            weight_bases=self.weight_bases,
            activation_bases=self.activation_bases,
            scales=self.scales,
        )
        change.apply(module, latent=True)
        run = stages(
            self, variant, data, self.train, seed=seed, device=device, checkpoint=checkpoint, progress=progress
        )
        if self.calibration:
            self._calibrate(variant, module, change.layers, run)
        run.fit(1, module)
        step = Step(self.kind, self.config(), seed, count_binary_weights(module, variant.input_shape, covered))
        return variant.child(module, step, structure=(*variant.structure, change))

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """The layers are binary in the network that ships."""
        change = child.structure[-1]
        check_binary_weights(
            child.deployed("reference"), change.layers if isinstance(change, ABCLayers) else (), ABCConv2d
        )

    def _calibrate(self, variant: Variant, module: nn.Module, layers: tuple[str, ...], run: Stages) -> None:
        chosen = run.data.order(derive_seed(run.seed, "calibration"))[: self.calibration]
        images = (run.data.subset(some).tensors()[0].to(run.device) for some in chosen.split(_AT_ONCE))
        network = variant.deployed("reference").to(run.device)
        calibrate(network, module, layers, images, window=self.window)
