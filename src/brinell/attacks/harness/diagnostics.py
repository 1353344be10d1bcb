"""`Diagnostics`: how a trial's numbers came about, and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from brinell.attacks.harness.frozen_network import FrozenNetwork
from brinell.core import ZERO_GRADIENT_SHARE


@dataclass(frozen=True)
class Diagnostics:
    """`forms` by role (`judged`, `scores`, `gradients`) and why faster ones were `rejected`; of the input gradients of
    images that were evaluated, how many were exactly zero, and how many had infinite or undefined numbers; `remarks` on
    the network.
    """

    forms: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    gradients: int = 0
    zero_gradients: int = 0
    infinite_gradients: int = 0
    remarks: tuple[str, ...] = ()

    def judged_on(self, network: FrozenNetwork) -> Diagnostics:
        """The same adversarials, judged on `network`."""
        return replace(
            self,
            forms={**self.forms, **network.judged_as},
            rejected=tuple(dict.fromkeys((*self.rejected, *network.rejected))),
            remarks=tuple(dict.fromkeys((*self.remarks, *network.remarks))),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the trial's figures doubtful, in sentences."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if self.zero_gradients > ZERO_GRADIENT_SHARE * self.gradients:
            share = self.zero_gradients / self.gradients
            yield (
                f"{share:.0%} of the input gradients were exactly zero: the attack could not see where to go, and what "
                "it leaves standing is not shown to be robust"
            )
        if self.infinite_gradients:
            yield (
                f"{self.infinite_gradients} of {self.gradients} input gradients were infinite or undefined in places: "
                "what the attack leaves standing is not shown to be robust"
            )
        yield from self.remarks

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "forms": dict(self.forms),
            "rejected": list(self.rejected),
            "gradients": self.gradients,
            "zero_gradients": self.zero_gradients,
            "infinite_gradients": self.infinite_gradients,
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
        }


class GradientCounts:
    """How many gradients there were, of what kind; counted where they are, without waiting for the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = 0
        self.zero, self.infinite = torch.zeros(2, dtype=torch.int64, device=device).unbind()

    def add(self, largest: Tensor, idle: Tensor | None = None) -> None:
        """Gradients whose largest number by size is `largest` `(n,)`; zero ones that are `idle` have nothing to do."""
        zero = largest == 0
        self.total += len(largest)
        self.zero += (zero if idle is None else zero & ~idle).sum()
        self.infinite += (~torch.isfinite(largest)).sum()
