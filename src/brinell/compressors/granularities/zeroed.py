"""Weights and kernels: what is pruned becomes zero, and the network keeps its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from brinell.compressors.checks.float_layers import FLOAT_LAYERS, float_weights, trainable_weights
from brinell.compressors.granularities.cost import Term
from brinell.compressors.granularities.prunable_units import Counts, Sketch
from brinell.compressors.training_stages import top_k_mask
from brinell.costs import LayerCost
from brinell.nn import copy_module, tied_layers
from brinell.training import AfterStep


class ZeroedUnits:
    """Single weights by magnitude, or whole k x k kernels by L2 norm; a kernel of a linear layer is one weight."""

    def __init__(self, module: nn.Module, layers: Sequence[LayerCost], unit: Literal["weight", "kernel"]) -> None:
        self.unit: str = unit
        weights = trainable_weights(module)
        order = [layer.name for layer in layers if layer.name in weights]
        tied = tied_layers(module, FLOAT_LAYERS)
        self.units: Mapping[str, int] = {name: self._scores(weights[name]).numel() for name in order}
        self.left: Mapping[str, tuple[Term, ...]] = {
            name: (Term(1.0, (first,)),) for first in order for name in tied[first]
        }
        self.vectors: Mapping[str, int] = {}

    def prune(self, module: nn.Module, counts: Counts) -> AfterStep:
        """Set all but the largest to zero; the callback sets them to zero again."""
        weights = float_weights(module)
        chosen = {name: top_k_mask(self._scores(weights[name].detach()), count) for name, count in counts.items()}
        enforce = _Enforce([(weights[name], ~self._spread(kept, weights[name])) for name, kept in chosen.items()])
        enforce(module)
        return enforce

    def sketch(self, module: nn.Module) -> Sketch:
        """Each layer's units are ranked once, and its weights masked anew where its count has changed."""
        network = copy_module(module).eval().requires_grad_(False)
        weights = float_weights(network)
        whole = {name: weight.clone() for name, weight in weights.items()}
        ranks = {name: _ranks(self._scores(weight)) for name, weight in weights.items()}
        now = dict(self.units)

        def pruned(counts: Counts) -> nn.Module:
            for name, count in counts.items():
                if count != now[name]:
                    gone = self._spread(ranks[name] >= count, whole[name])
                    weights[name].copy_(whole[name].masked_fill(gone, 0.0))  # a product would give -0
                    now[name] = count
            return network

        return pruned

    def change(self, module: nn.Module) -> None:
        """None: zeros are values."""
        return

    def _scores(self, weight: Tensor) -> Tensor:
        if self.unit == "weight" or weight.dim() < 3:
            return weight.abs()
        norms: Tensor = weight.flatten(2).norm(dim=2)
        return norms

    def _spread(self, chosen: Tensor, weight: Tensor) -> Tensor:
        """From units to weights."""
        return chosen.view(*chosen.shape, *[1] * (weight.dim() - chosen.dim())).expand_as(weight)


class _Enforce:
    """Puts the pruned weights back to zero, wherever training has moved them."""

    def __init__(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        self.pairs = pairs

    @torch.no_grad()
    def __call__(self, module: nn.Module) -> None:
        self.pairs = [(weight, gone.to(weight.device)) for weight, gone in self.pairs]
        for weight, gone in self.pairs:
            weight.masked_fill_(gone, 0.0)


def _ranks(scores: Tensor) -> Tensor:
    """The place of each score in descending order, from 0; of equal ones the first comes first, as in `top_k_mask`."""
    order = scores.flatten().argsort(descending=True, stable=True)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device)).view_as(scores)
