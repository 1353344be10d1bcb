"""AutoAttack: a fixed sequence of attacks, each on what the ones before have left (Croce & Hein 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import Field
from torch import Tensor

from brinell.attacks.components.auto_projected_gradient import AscentSettings, auto_projected_gradient
from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.boundary_projection import DescentSettings, project_on_boundaries
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.components.undecided import Undecided
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import Loss
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.attacks.harness.targets import classes_in_turn
from brinell.attacks.square import SearchSettings, search_squares
from brinell.core import Fraction, Point
from brinell.nn import Norm, distance

Version = Literal["standard", "plus", "rand"]
_SAMPLES: Final = 20


@dataclass(frozen=True)
class Stage:
    """One attack of the sequence: its name there, loss, number of target classes, and restarts."""

    name: str
    loss: Loss = "cross_entropy"
    targets: int | None = None
    restarts: int = 1


STAGES: Final[dict[Version, tuple[Stage, ...]]] = {
    "standard": (
        Stage("apgd-ce"),
        Stage("apgd-t", "dlr", targets=9),
        Stage("fab-t", targets=9),
        Stage("square"),
    ),
    "plus": (
        Stage("apgd-ce", restarts=5),
        Stage("apgd-dlr", "dlr", restarts=5),
        Stage("fab", restarts=5),
        Stage("square"),
        Stage("apgd-t", "dlr", targets=9),
        Stage("fab-t", targets=9),
    ),
    "rand": (Stage("apgd-ce"), Stage("apgd-dlr", "dlr")),
}
"""The versions of the authors' code, in their order. `restart` in a row is the stage that broke it."""


class AutoAttack(Attack):
    """The ensemble that RobustBench ranks by: each stage attacks the examples that the ones before have left.

    `standard` is APGD on cross-entropy, APGD-T and FAB-T on nine classes each (100 steps a run), and Square of 5,000
    queries; `plus` adds restarts, APGD on DLR and untargeted FAB; `rand`, for networks that draw random numbers, is
    APGD on both losses with gradients averaged over 20 passes. Orders and budgets are those of the authors' code;
    `steps` and `queries` change the budgets, and then the figure is no longer AutoAttack's. Unlike there an example
    leaves the batch in the step that breaks it, squares are drawn for each image, and with too few classes for the DLR
    loss the margin stands in. Untargeted only.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.AutoAttack(epsilon=4 / 255, steps=2, queries=5)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "auto_attack"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon"})
    skips_misclassified: ClassVar[bool] = True
    shrinks: ClassVar[bool] = True
    takes_targets: ClassVar[bool] = False

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""
    version: Version = "standard"
    """Sequence of attacks: `standard`, `plus` or `rand`."""
    steps: int = Field(100, ge=1)
    """Number of steps of each run of APGD and FAB; 100 in the original."""
    queries: int = Field(5000, ge=1)
    """Number of queries of Square; 5,000 in the original."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""

    @property
    def samples(self) -> int:
        """Passes that a gradient is averaged over."""
        return _SAMPLES if self.version == "rand" else 1

    @property
    def random(self) -> bool:
        """It is."""
        return True

    @property
    def point(self) -> Point:
        """The radius and the number of steps."""
        return Point(self.epsilon, self.steps)

    @property
    def passes(self) -> float:
        """Of all stages, on an image that none of them breaks."""
        return _total(self, 10) * self.samples

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball and the box."""
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons in one batch."""
        best = BestSoFar(batch.images, [Point(point.epsilon, _NO_LIMIT) for point in points])
        cells = EpsilonBatch.spread(batch, best.epsilons)
        logits = oracle.logits(batch.images)
        best.forwards += 1
        run = _Run(self, oracle, best, cells, seed, logits.shape[1])
        for place, stage in enumerate(STAGES[self.version]):
            run.attack(stage, place)
        return best.crafted()


_NO_LIMIT: Final = 2**31 - 1
_FORWARDS: Final = {"apgd": 3, "fab": 4, "square": 1}
"""Forward passes that a step takes, a backward pass being two."""


@dataclass
class _Run:
    """One run of the sequence on a batch, and how many runs of its parts are over."""

    settings: AutoAttack
    oracle: Oracle
    best: BestSoFar
    cells: EpsilonBatch
    seed: int
    classes: int
    number: int = 0
    done: float = 0.0

    def attack(self, stage: Stage, place: int) -> None:
        """All restarts of one stage towards all of its classes."""
        for towards in self._classes(stage):
            for restart in range(stage.restarts):
                undecided = Undecided(self.oracle, self.cells, self.best, restart=place)
                if len(undecided):
                    self._part(stage, undecided, towards, restart)
                self.done += _portion(self.settings, stage)
                self.number += 1

    def _part(self, stage: Stage, undecided: Undecided, towards: Tensor | None, restart: int) -> None:
        norm, steps = self.settings.norm, self.settings.steps
        run = SubRun(
            self.seed, self.number, self.done, _portion(self.settings, stage), _total(self.settings, self.classes)
        )
        if stage.name.startswith("apgd"):
            reached = auto_projected_gradient(undecided, AscentSettings(run, norm, self._loss(stage), steps), towards)
            if self.number == 0:
                undecided.keep(reached)
        elif stage.name.startswith("fab"):
            descent = DescentSettings(run, norm, steps, radius=undecided.cells.radius * (restart > 0))
            project_on_boundaries(self.oracle, _Inside(undecided, norm), descent, towards)
        else:
            search_squares(undecided, SearchSettings(run, norm, self.settings.queries, schedule=10_000))

    def _classes(self, stage: Stage) -> list[Tensor] | list[None]:
        return classes_in_turn(self.oracle, self.cells.clean, self.cells.labels, stage.targets)

    def _loss(self, stage: Stage) -> Loss:
        needed = 4 if stage.targets else 3
        return "margin" if stage.loss == "dlr" and self.classes < needed else stage.loss


def _portion(settings: AutoAttack, stage: Stage) -> float:
    """Forward passes of one run of a stage."""
    kind = stage.name.partition("-")[0]
    return _FORWARDS[kind] * (settings.queries if kind == "square" else settings.steps)


def _total(settings: AutoAttack, classes: int) -> float:
    """Forward passes of all stages."""
    stages = STAGES[settings.version]
    return sum(_portion(settings, part) * part.restarts * min(part.targets or 1, classes - 1) for part in stages)


class _Inside:
    """FAB's iterates count where they are in the ball."""

    def __init__(self, undecided: Undecided, norm: Norm) -> None:
        self.undecided, self.norm = undecided, norm

    @property
    def cells(self) -> EpsilonBatch:
        """Those that are undecided."""
        return self.undecided.cells

    def spend(self, *, forwards: int = 1, backwards: int = 0, zero: Tensor | None = None) -> None:
        """Count passes."""
        self.undecided.spend(forwards=forwards, backwards=backwards, zero=zero)

    def see(self, step: int, images: Tensor, logits: Tensor) -> None:
        """Put aside what has succeeded inside the ball."""
        inside = distance(self.cells.clean, images, self.norm) <= self.cells.radius
        self.undecided.see(step, images, logits, allowed=inside)

    def settle(self, step: int, *, last: bool = False) -> Tensor | None:
        """The places of the cells that go on, or `None` where all do."""
        return self.undecided.settle(step, last=last)
