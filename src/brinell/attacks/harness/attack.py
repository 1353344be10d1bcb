"""What every attack is: a spec that crafts candidates, which the harness then judges."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal, NamedTuple, Self

import torch
from pydantic import model_validator
from torch import Tensor

from brinell.attacks.harness.oracle import Oracle
from brinell.core import ConfigurationError, Point, Registry, Spec
from brinell.nn import DistanceNorm

COUNTS: Final = ("first_success_step", "restart", "forwards", "backwards", "zero_gradients", "queries")
"""Fields of `Crafted` that hold one number an example and point."""


class Batch(NamedTuple):
    """Clean images `(N, C, H, W)` in [0, 1], labels, targets and ids `(N,)`; targets are `None` when untargeted."""

    images: Tensor
    labels: Tensor
    targets: Tensor | None
    ids: Tensor


@dataclass(frozen=True)
class Crafted:
    """Candidates of one batch at each of P points, and what each took; all `(P, N)` but the images.

    `images` `(P, N, C, H, W)`; `first_success_step` is -1 where the attack saw none; counts are what the reading would
    have taken alone, however much of it was shared with others.
    """

    images: Tensor
    first_success_step: Tensor
    restart: Tensor
    forwards: Tensor
    backwards: Tensor
    zero_gradients: Tensor | None = None
    queries: Tensor | None = None
    traces: dict[str, list[float]] | None = None


@dataclass(frozen=True)
class Chunk:
    """Some examples from place `start` on, what was crafted of them at every point, and which of them were spared."""

    start: int
    batch: Batch
    spare: Tensor
    crafted: Crafted

    @property
    def stop(self) -> int:
        """The place after its last example."""
        return self.start + len(self.batch.images)

    def sparing(self, spare: Tensor) -> Chunk:
        """As if these examples had been spared as well: they are the clean images again, which took nothing."""
        at = spare.nonzero()[:, 0]
        images = self.crafted.images.clone()
        images[:, at] = self.batch.images[at]

        def nothing(counts: Tensor | None) -> Tensor | None:
            return None if counts is None else counts.clone().index_fill_(1, at.to(counts.device), 0)

        counts = {name: nothing(getattr(self.crafted, name)) for name in COUNTS}
        return replace(self, spare=self.spare | spare, crafted=Crafted(images, **counts))  # type: ignore[arg-type]


class Attack(Spec):
    """Hyper-parameters of an attack; no model inside, no mutable mode."""

    needs: ClassVar[Literal["gradient", "scores"]] = "gradient"
    """What it asks of the network: `scores` attacks run on anything that maps images to logits."""
    sweepable: ClassVar[frozenset[str]] = frozenset()
    """Which of `epsilon` and `steps` one pass can read at many values."""
    traceable: ClassVar[bool] = False
    """Whether it can record loss and accuracy of its current iterate along the steps."""
    skips_misclassified: ClassVar[bool] = False
    """Whether an untargeted run leaves alone what is misclassified already: it has succeeded at distance 0."""

    every_surrogate: ClassVar[bool] = False
    """Whether by default it goes through every surrogate gradient of a binary network, not its natural one alone."""

    shrinks: ClassVar[bool] = False
    """Whether its batch shrinks while examples are decided, and its passes are split: it begins with more images."""

    shares_gradient: ClassVar[bool] = False
    """Whether one set of passes over the images serves every epsilon, so that they are not copied for each."""

    takes_targets: ClassVar[bool] = True
    """Whether it can go towards a class that is given for each example."""

    paper_axis: ClassVar[tuple[Literal["epsilon", "steps"], float] | None] = None
    """What BreakingBED (section 4.2) sweeps of it, and the value at which the paper holds the other quantity."""

    targeted_only: ClassVar[bool] = False
    """Whether it needs a target for every example; the harness draws those that are not given."""

    @model_validator(mode="after")
    def _inside_the_images(self) -> Self:
        epsilon = self.point.epsilon
        if epsilon is not None and epsilon > 1 and self.distance_norm == "linf":
            shown = f"{epsilon:g}"
            raise ValueError(f"epsilon {shown} is beyond images, which lie in [0, 1]; of 255 levels write {shown}/255")
        return self

    @property
    def random(self) -> bool:
        """Whether the result depends on the seed."""
        return False

    @property
    def distance_norm(self) -> DistanceNorm:
        """The norm that bounds the perturbation or, where there is no bound, the one that is minimised."""
        norm: DistanceNorm = getattr(self, "norm", "linf")
        return norm

    @property
    @abstractmethod
    def point(self) -> Point:
        """Where a single run of this value is read."""

    def default_view(self, views: Collection[str], *, traced: bool = False) -> str:
        """The view that is attacked where none is named, of those that a network has; a trace follows one gradient."""
        return "all" if "all" in views and self.every_surrogate and not traced else "natural"

    @property
    def passes(self) -> float:
        """Forward passes that an image takes at most, a backward pass being two: for estimates of time."""
        runs = getattr(self, "restarts", 1) * count_target_runs(getattr(self, "targets", None))
        return float(self.point.steps * (3 if self.needs == "gradient" else 1) * runs * getattr(self, "samples", 1))

    @abstractmethod
    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Candidates inside the ball (of radius `epsilon`) and the box; the harness judges nothing else."""

    @abstractmethod
    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """Candidates at every point, from as few passes as the attack allows."""

    def at(self, point: Point) -> Self:
        """This attack with the point's values.

        Raises:
            ConfigurationError: the point differs in something this attack cannot sweep, or is out of range.
        """
        own = self.point._asdict()
        changed = {name: value for name, value in point._asdict().items() if value != own[name]}
        for name in changed.keys() - self.sweepable:
            raise ConfigurationError(
                f"{self.kind}.sweep.{name}: this attack sweeps {', '.join(sorted(self.sweepable)) or 'nothing'}"
            )
        return type(self).parse({**self.config(), **changed}, f"{self.kind}.sweep")


def count_target_runs(targets: object) -> int:
    """Runs of an attack that goes towards so many classes in turn; of ten classes where it goes through all."""
    return targets if isinstance(targets, int) else (9 if targets == "all" else 1)


def broadcast_per_image(values: Sequence[float] | Tensor, like: Tensor) -> Tensor:
    """One number an image as `(N, 1, 1, 1)`, ready to multiply images with."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(-1, *[1] * (like.dim() - 1))


ATTACKS: Registry[Attack] = Registry("attack", group="brinell.attacks")
"""The attacks by kind: those of `brinell.attacks`, of entry points, and those that were registered."""
