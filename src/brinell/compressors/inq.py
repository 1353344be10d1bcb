"""Incremental network quantisation: weights become powers of two, part by part (Zhou 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from brinell.compressors.checks.coverage import coverage
from brinell.compressors.checks.float_layers import trainable_weights
from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.power_of_two import best_exponent_range, exponent_range, nearest_power
from brinell.compressors.training_stages import stages, top_k_mask
from brinell.core import Fraction, ModelError, OmitDefaultFromKey, Progress, derive_seed
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Step, Variant

SHARES: Final[Mapping[int, tuple[float, ...]]] = {
    2: (0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 1.0),
    3: (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    4: (0.3, 0.5, 0.8, 0.9, 0.95, 1.0),
    **dict.fromkeys((5, 6, 7, 8), (0.5, 0.75, 0.875, 1.0)),
}
"""Accumulated shares of the weights that are quantised after each step, by `weight_bits` (the paper's section 3; from 6
bits on, the same as with 5)."""

Partition = Literal["largest", "smallest", "random"]
Levels = Literal["largest", "closest"]


class INQ(Compressor):
    """Quantise a part of each layer's weights to powers of two, freeze them for good, retrain the rest; and again.

    All float convolutions and linear layers are quantised; biases and batch norm stay float. A layer's levels are set
    by its weights at the start and never change. After each step `train` runs with a fresh optimiser; after the
    last one, where no weight is free, it settles biases and batch norm only.

    Examples:
        >>> import brinell
        >>> brinell.compressors.INQ(weight_bits=5, train={"epochs": 1}).train.epochs
        1
    """

    kind = "inq"

    weight_bits: int = Field(5, ge=2, le=8)
    """Bits of a weight. The levels are 0 and 2^(weight_bits - 2) powers of two of either sign."""
    levels: Annotated[Levels, OmitDefaultFromKey()] = "largest"
    """Where they lie: the top one is that of the layer's `largest` weight, as in the paper, or such that quantising
    changes the weights least (`closest`), which clamps those far out. With few bits that is another network: after
    surgery most of a layer can lie below a quarter of its largest weight, and would become zero."""
    partition: Partition = "largest"
    """Which weights are quantised first: the `largest` (the paper), the `smallest`, or `random` ones."""
    shares: tuple[Fraction, ...] | None = None
    """Accumulated shares quantised after each step, rising to 1; `None`: the paper's for these `weight_bits`. After
    pruning, finer steps lose less."""
    keep_zeros: bool = True
    """Weights that are zero at the start stay zero, and the shares are of the others."""
    train: Train = Train(epochs=2, batch_size=128, learning_rate=0.01)
    """Training settings of each step."""

    @field_validator("shares")
    @classmethod
    def _rising(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        if not value or value[0] <= 0 or value[-1] != 1 or any(b <= a for a, b in pairwise(value)):
            raise ValueError("expected shares above 0 that rise to exactly 1, such as [0.5, 0.75, 1]")
        return value

    @property
    def never_lowers(self) -> frozenset[str]:
        """Every weight stays where it is."""
        return OPERATIONS

    @property
    def epochs(self) -> int:
        """Of every step."""
        return self.train.epochs * len(self.shares or SHARES[self.weight_bits])

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
        teacher: Variant | None = None,
    ) -> Variant:
        """The quantised variant: every weight 0 or a power of two, of either sign.

        `teacher`: whose answers `train.distillation` learns; `None`: those of `variant`.
        """
        module = variant.trainable()
        layers = [_Layer(name, weight, self) for name, weight in trainable_weights(module).items()]
        covered = coverage(module, [layer.name for layer in layers])
        shares = self.shares or SHARES[self.weight_bits]
        run = stages(
            self,
            variant,
            data,
            self.train,
            count=len(shares),
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
            teacher=teacher,
        )

        def hold(module: nn.Module) -> None:
            for layer in layers:
                layer.hold()

        for stage, share in enumerate(shares, start=1):
            for layer in layers:
                layer.freeze(share, self.partition, derive_seed(seed, "partition", stage, layer.name))
                layer.weight.requires_grad_(share < 1)
            if any(parameter.requires_grad for parameter in module.parameters()):
                run.fit(stage, module, after_step=hold)
        figures = {**_figures(layers, shares), "coverage": covered}
        return variant.child(module, Step(self.kind, self.config(), seed, figures))

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """Every weight is 0 or a power of two, and no layer has more levels than `weight_bits` can tell apart."""
        module, most = child.deployed("reference"), 2 ** (self.weight_bits - 1) + 1
        for name in child.lineage[-1].figures["exponents"]:
            weight = module.get_submodule(name).get_parameter("weight")
            mantissa, _ = torch.frexp(weight.abs())
            if not bool(((mantissa == 0.5) | (weight == 0)).all()):
                raise ModelError(f"inq: a weight of {name} is neither 0 nor a power of two")
            if (found := len(weight.unique())) > most:
                raise ModelError(f"inq: {name} has {found} different weights, and {most} were asked for")


class _Layer:
    """One layer's levels, and which of its weights are frozen at which of them."""

    def __init__(self, name: str, weight: Tensor, settings: INQ) -> None:
        self.name, self.weight = name, weight
        values = weight.detach()
        place = exponent_range if settings.levels == "largest" else best_exponent_range
        self.lowest, self.highest = place(values, settings.weight_bits)
        self.zeros = (values == 0) if settings.keep_zeros else torch.zeros_like(values, dtype=torch.bool)
        self.frozen = self.zeros.clone()
        self.values = torch.zeros_like(values)

    @torch.no_grad()
    def freeze(self, share: float, partition: Partition, seed: int) -> None:
        """Freeze as many free weights as are missing to `share` at their nearest levels; the others stay frozen."""
        whole = self.frozen.numel() - int(self.zeros.sum())
        wanted = round(share * whole) + int(self.zeros.sum()) - int(self.frozen.sum())
        weight = self.weight.detach().to(self.values)
        score = torch.where(self.frozen, -torch.inf, _score(weight, partition, seed))
        chosen = top_k_mask(score, wanted)
        self.values = torch.where(chosen, nearest_power(weight, self.lowest, self.highest), self.values)
        self.frozen |= chosen
        self.hold()

    @torch.no_grad()
    def hold(self) -> None:
        """Put the frozen weights back where they are frozen."""
        if self.frozen.device != self.weight.device:
            self.frozen, self.values = self.frozen.to(self.weight.device), self.values.to(self.weight.device)
        torch.where(self.frozen, self.values, self.weight, out=self.weight)


def _score(weight: Tensor, partition: Partition, seed: int) -> Tensor:
    if partition == "largest":
        return weight.abs()
    if partition == "smallest":
        return -weight.abs()
    noise = torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed))
    return noise.to(weight.device)


def _figures(layers: list[_Layer], shares: tuple[float, ...]) -> dict[str, Any]:
    weights = sum(layer.weight.numel() for layer in layers)
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers)
    return {
        "steps": len(shares),
        "sparsity": zeros / weights,
        "exponents": {layer.name: [layer.lowest, layer.highest] for layer in layers},
    }
