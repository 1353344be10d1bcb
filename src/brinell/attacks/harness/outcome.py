"""`Outcome`: what an attack did to one network, for whoever calls the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brinell.attacks.harness.diagnostics import Diagnostics
from brinell.attacks.harness.results import Columns, TrialResult
from brinell.core import Point, html_table


@dataclass(frozen=True, eq=False, repr=False)
class Outcome:
    """What an attack did, judged by fresh forward passes of the network; tensors `(N,)` on the CPU but the images.

    `success`: misclassified (a tie counts), or, targeted, classified as the target. `distances` holds `l0` (pixels),
    `l1`, `l2` and `linf` from the clean images. `forwards` and `backwards` count the crafting's passes of each example.
    `adversarials` are float32, or float64 where the images were; a network of another type was given them cast to it.
    `computation` says which forms of the network were computed, and `warnings` what makes the figures doubtful. `point`
    is the radius and the number of steps that the attack had.
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
    computation: Diagnostics
    point: Point

    def __repr__(self) -> str:
        """The figures in one line; tensors are in the attributes."""
        return f"Outcome({', '.join(f'{name}: {value}' for name, value in self._figures().items())})"

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        return html_table(self._figures())

    def _figures(self) -> dict[str, str]:
        radius = {} if self.point.epsilon is None else {"epsilon": f"{self.point.epsilon:.4g}"}
        # Without a radius, how far the nearest adversarial example lies is the result.
        reached = self.distances["l2"][self.success & self.clean_correct].double()
        median = {"median l2": f"{float(reached.median()):.3g}"} if not radius and len(reached) else {}
        return {
            "images": f"{len(self.success)}",
            **radius,
            "steps": f"{self.point.steps}",
            "clean accuracy": f"{self.clean_accuracy:.1%}",
            "robust accuracy": f"{self.robust_accuracy:.1%}",
            "attack success rate": f"{self.attack_success_rate:.1%}"
            if self.clean_correct.any()
            else "no image correct",
            **median,
            **({"warnings": f"{len(self.warnings)}"} if self.warnings else {}),
        }

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


def outcomes(
    result: TrialResult, points: Sequence[Point], *, targeted: bool, dtype: torch.dtype = torch.float32
) -> list[Outcome]:
    """The outcome at each of a trial's points, which kept its images; drawn targets leave them untargeted.

    `dtype` is of the images that were attacked.
    """
    if result.adversarials is None:
        raise AssertionError("keep_images was set")
    count = result.adversarials.shape[1]
    return [
        _outcome(
            {name: values[place * count : (place + 1) * count] for name, values in result.rows.items()},
            result,
            result.adversarials[place].to(torch.float64 if dtype == torch.float64 else torch.float32),
            point,
            targeted,
        )
        for place, point in enumerate(points)
    ]


def _outcome(rows: Columns, result: TrialResult, images: Tensor, point: Point, targeted: bool) -> Outcome:
    def column(name: str) -> Tensor | None:
        return torch.from_numpy(np.asarray(rows[name])) if name in rows else None

    broken = rows["target_rank"] == 0 if targeted else rows["rank"] > 0
    return Outcome(
        adversarials=images,
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
        point=point,
    )
