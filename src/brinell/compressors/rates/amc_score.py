"""How good a pruned network is before any fine-tuning: what AMC's agent is rewarded for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from brinell.attacks import Attack, run_trial
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.data import Dataset

Score = Callable[[nn.Module], float]
"""A share of examples, in [0, 1]."""


def accuracy_scorer(data: Dataset, device: torch.device, precision: Precision) -> Score:
    """Accuracy on `data`, from the same fast copy of the network that attacks look at."""
    images, labels = (part.to(device) for part in data.tensors())

    def score(network: nn.Module) -> float:
        logits = Oracle(network, device, precision).logits(images)
        return float((logits.argmax(1) == labels).double().mean())

    return score


def robust_accuracy_scorer(data: Dataset, device: torch.device, attack: Attack, seed: int) -> Score:
    """Accuracy on what `attack` makes of `data`, judged by the attacks' own harness."""
    images, labels = data.tensors()

    def score(network: nn.Module) -> float:
        rows = run_trial(
            network, network, images, labels, data.ids, attack, seed=seed, rounded=False, device=device
        ).rows
        return float((rows["rank"] == 0).mean())

    return score
