"""What the checks for masked gradients share: the networks, the images, and who is still classified correctly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.attacks import PGD, Attack, Columns, FrozenNetwork, run_trial
from brinell.attacks.harness.oracle import Oracle
from brinell.core import ModelError, Point

STEPS: Final = 20
"""Steps of plain PGD."""
_ROUNDING: Final = 2.0**-23
"""What a distance between float32 values in [0, 1] may be beyond the radius that they were clipped to."""

Right = NDArray[np.bool_]
"""Who is still classified correctly, `(N,)`."""


@dataclass(frozen=True)
class Evidence:
    """One check: what was found, against what an honest network would show."""

    check: str
    found: float
    limit: float
    suspicious: bool
    words: str

    def record(self) -> dict[str, str | float | bool]:
        """For JSON; what is not suspicious says how far it is from that."""
        says = (
            self.words if self.suspicious else f"{self.found:.2g}, where more than {self.limit:.2g} would be suspicious"
        )
        return {
            "check": self.check,
            "value": self.found,
            "threshold": self.limit,
            "suspicious": self.suspicious,
            "says": says,
        }


@dataclass
class MaskingCase:
    """What the checks share: the networks, the images, and who has fallen to anything so far."""

    network: nn.Module
    view: nn.Module
    reference: nn.Module | None
    images: Tensor
    labels: Tensor
    ids: Tensor
    epsilon: float
    seed: int
    clean: Columns
    standing: Right = field(init=False)
    lowest: float = field(init=False)
    """The lowest accuracy that an attack within the radius has left; the worst case is not above it."""
    frozen: FrozenNetwork = field(init=False)

    def __post_init__(self) -> None:
        self.standing = self.clean["rank"] == 0
        self.lowest = float(self.standing.mean())
        self.frozen = FrozenNetwork(self.network, torch.device("cpu"))

    def logits(self, images: Tensor) -> Tensor:
        """What the network says of `images`, `(n, classes)`; a random one says something else each time."""
        with torch.no_grad():
            return self.frozen.deployed(images)(images)

    def right(self, attack: Attack, *, on: nn.Module | None = None, points: list[Point] | None = None) -> Right:
        """`(P, N)`: who is still right under the attack, crafted on the view or on `on`.

        Only rows within the radius count for the worst case.
        """
        source = self.view if on is None else on  # a compiled module has no truth value
        points = points or [attack.point]
        rows = run_trial(
            self.network,
            source,
            self.images,
            self.labels,
            self.ids,
            attack,
            points=points,
            seed=self.seed,
            clean=self.clean,
            rounded=False,
            white_box=source is self.view,
        ).rows
        right: Right = (rows["rank"] == 0).reshape(-1, len(self.labels))
        for point, row, far in zip(points, right, rows["linf"].reshape(right.shape), strict=True):
            self.standing &= row | ~_counts(point, far, self.epsilon)
            if point.epsilon is not None and point.epsilon <= self.epsilon:
                self.lowest = min(self.lowest, float(row.mean()))
        return right

    def search(self, left: Tensor, attack: Attack, targets: Tensor | None) -> float:
        """Share of the examples at the places `left` that an attack within the radius breaks through scores."""
        rows = run_trial(
            self.network,
            self.network,
            self.images[left],
            self.labels[left],
            self.ids[left],
            attack,
            targets=targets,
            seed=self.seed,
            rounded=False,
        ).rows
        fell = rows["rank"] > 0
        self.standing[left.numpy()[fell]] = False
        return float(fell.mean())

    def worst_case(self) -> float:
        """Accuracy over the worst of all attacks for each example.

        Raises:
            AssertionError: it is above what an attack within the radius has left.
        """
        found = float(self.standing.mean())
        if found > self.lowest:
            raise AssertionError(
                f"the worst case, {found:.1%}, is above {self.lowest:.1%}, which an attack within the radius left"
            )
        return found


def _counts(point: Point, far: NDArray[np.float32], epsilon: float) -> Right:
    """Which of an attack's images, `far` from the clean ones, lie within the radius.

    All do where the attack's own radius is no larger, since the harness clips them. Their distances are rounded, which
    matters at small radii.
    """
    if point.epsilon is not None and point.epsilon <= epsilon:
        return np.ones(far.shape, dtype=bool)
    within: Right = far <= epsilon + _ROUNDING
    return within


def has_gradient(case: MaskingCase) -> bool:
    """Whether the logits depend on the images by anything that can be derived."""
    try:
        Oracle(case.view, torch.device("cpu")).gradient(case.images[:1], lambda logits: logits[:, 0])
    except ModelError:
        return False
    return True


def plain_pgd(case: MaskingCase, **changes: object) -> PGD:
    """PGD with `STEPS` steps at the radius of the case."""
    return PGD(epsilon=case.epsilon, steps=STEPS).model_copy(update=changes)
