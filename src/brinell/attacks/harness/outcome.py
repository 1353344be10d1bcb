"""`Outcome`: what an attack did to one network, for whoever calls the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brinell.attacks.harness.computation import Computation
from brinell.attacks.harness.results import TrialResult


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an attack did, judged by fresh forward passes of the network; tensors `(N,)` on the CPU but the images.

    `success`: misclassified (a tie counts), or, targeted, classified as the target. `distances` holds `l0` (pixels),
    `l1`, `l2` and `linf` from the clean images. `forwards` and `backwards` count the crafting's passes of each example.
    `adversarials` are float32, or float64 where the images were; a network of another type was given them cast to it.
    `computation` says which forms of the network were computed, and `warnings` what makes the figures doubtful.
    """

    adversarials: Tensor
    success: Tensor
    clean_correct: Tensor
    predictions: Tensor
    margins: Tensor
    distances: dict[str, Tensor]
    forwards: Tensor
    backwards: Tensor
    queries: Tensor | None
    zero_gradients: Tensor | None
    traces: dict[str, list[Any]] | None
    computation: Computation

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes these figures doubtful, in sentences; none is robust with one of them."""
        return self.computation.warnings

    @property
    def clean_accuracy(self) -> float:
        """Share of the images that were classified correctly as they are."""
        return float(self.clean_correct.double().mean())

    @property
    def robust_accuracy(self) -> float:
        """Share of all images whose label still has the highest logit."""
        return float((self.margins > 0).double().mean())

    @property
    def attack_success_rate(self) -> float:
        """Share of successes among the images that were classified correctly; NaN where none was."""
        return float(self.success[self.clean_correct].double().mean())


def outcome(result: TrialResult, *, targeted: bool, dtype: torch.dtype = torch.float32) -> Outcome:
    """The result of a trial with one point that kept its images; drawn targets leave it untargeted.

    `dtype` is of the images that were attacked.
    """
    rows = result.rows
    if result.adversarials is None:
        raise AssertionError("keep_images was set")

    def column(name: str) -> Tensor | None:
        return torch.from_numpy(np.asarray(rows[name])) if name in rows else None

    broken = rows["target_rank"] == 0 if targeted else rows["rank"] > 0
    return Outcome(
        adversarials=result.adversarials[0].to(torch.float64 if dtype == torch.float64 else torch.float32),
        success=torch.from_numpy(broken),
        clean_correct=torch.from_numpy(rows["clean_rank"] == 0),
        predictions=torch.from_numpy(rows["prediction"]),
        margins=torch.from_numpy(rows["margin"]),
        distances={name: torch.from_numpy(rows[name]) for name in ("l0", "l1", "l2", "linf")},
        forwards=torch.from_numpy(rows["forwards"]),
        backwards=torch.from_numpy(rows["backwards"]),
        queries=column("queries"),
        zero_gradients=column("zero_gradients"),
        traces=result.traces,
        computation=result.computation,
    )
