"""Magnitude pruning: the smallest weights of each layer become zero and stay so while the others are fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import Tensor, nn

from brinell import costs
from brinell.compressors.budget import Budget
from brinell.compressors.common import float_weights, largest, stages
from brinell.compressors.compressor import Compressor
from brinell.compressors.rates import RATES, Rates, Uniform
from brinell.core import Progress, silent
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Step, Variant

MASKS: Final[dict[str, Callable[[Tensor, int], Tensor]]] = {
    "weight": lambda weight, count: largest(weight.abs(), count)
}
"""By granularity: where the weights lie that a layer keeps, `count` of them."""


class Prune(Compressor):
    """Keep the weights of largest magnitude within each layer, then fine-tune what is left (Han 2015).

    All float convolutions and linear layers are pruned, the first and the last too; biases and batch norm are not.
    With several `rounds` the number of zeros rises along the cubic curve of Zhu & Gupta 2017 (equation 1), and every
    round trains for `train.epochs`.
    """

    kind = "prune"

    granularity: Literal["weight"] = "weight"
    budget: Budget = Budget(macs=0.5)
    rates: Annotated[SerializeAsAny[Rates], BeforeValidator(RATES.read)] = Uniform()
    rounds: int = Field(1, ge=1)
    train: Train = Train(epochs=8, batch_size=128, learning_rate=0.01)

    @property
    def epochs(self) -> int:
        """Of every round."""
        return self.train.epochs * self.rounds

    def compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None = None,
        checkpoint: Path | None = None,
        progress: Progress = silent,
    ) -> Variant:
        """The pruned and fine-tuned variant, its zeros exact."""
        module = variant.trainable()
        weights = float_weights(module)
        sizes = {name: weight.numel() for name, weight in weights.items()}
        counted = costs.layers(module, variant.input_shape)
        allowance = self.budget.allowance(counted, sizes, sum(weight.numel() for weight in module.parameters()))
        counts = allowance.counts(self.rates.shares(allowance))
        run = stages(
            self,
            variant,
            data,
            self.train,
            count=self.rounds,
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
        )
        for stage in range(1, self.rounds + 1):
            removed = 1 - (1 - stage / self.rounds) ** 3
            kept = {name: sizes[name] - round(removed * (sizes[name] - count)) for name, count in counts.items()}
            masks = {name: ~MASKS[self.granularity](weights[name].detach(), kept[name]) for name in kept}
            enforce = _Zeros(weights, masks, run.device)
            enforce(module)
            run.fit(stage, module, after_step=enforce)
        return variant.child(module, Step(self.kind, self.config(), seed, _figures(module, variant)))


class _Zeros:
    """Puts the pruned weights back to zero: a callback that works on both the host and the device."""

    def __init__(self, weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], device: torch.device) -> None:
        self.pairs = [(weight, masks[name].to(device)) for name, weight in weights.items()]

    @torch.no_grad()
    def __call__(self, module: nn.Module) -> None:
        for weight, mask in self.pairs:
            weight.masked_fill_(mask.to(weight.device), 0.0)


def _figures(module: nn.Module, parent: Variant) -> dict[str, Any]:
    before = costs.layers(parent.deployed(), parent.input_shape)
    after = costs.layers(module, parent.input_shape)
    weights = sum(layer.weights for layer in after if layer.kind == "float")
    nonzero = sum(layer.nonzero for layer in after if layer.kind == "float")
    return {
        "sparsity": 1 - nonzero / weights,
        "macs_kept": sum(layer.nonzero_macs for layer in after) / sum(layer.macs for layer in before),
        "kept": {layer.name: layer.nonzero / layer.weights for layer in after if layer.kind == "float"},
    }
