"""GenAttack: a genetic search towards a target class, through scores alone (Alzantot et al. 2019)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.attack import Attack, Batch, Crafted, broadcast_per_image
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import Fraction, Point
from brinell.nn import random_bits, uniform


class GenAttack(Attack):
    """A population of perturbations in the linf ball; the best survives, the others are bred by chance and mutated.

    Fitness is `log p_t - log sum_{j != t} p_j`. Parents are drawn by softmax(fitness / temperature); a child takes each
    value from its first parent with probability p1 / (p1 + p2), and each is then mutated with probability rho by up to
    `mutation_range * epsilon`. It stops as soon as *any* member is classified as the target, as the authors' code does
    (the paper's algorithm 1 looks at the elite only). Targets that are not given are drawn from (seed, example id).

    `adaptive` lets rho and the range of each example decay by 0.9 a plateau, down to 0.1 and 0.15. A plateau is more
    than 100 generations in which the margin did not grow, 300 while it is below -0.4; the margin is the target's
    probability less the highest one, the best of all members so far. rho is 1 for the first 10 generations. The paper
    uses it for ImageNet; for CIFAR-10 rho is 0.05 and the range 0.25 throughout, the defaults here.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.GenAttack(epsilon=8 / 255, steps=2, population=4)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "gen_attack"
    revision: ClassVar[int] = 2
    needs: ClassVar[Literal["gradient", "scores"]] = "scores"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    paper_axis: ClassVar[tuple[Literal["epsilon", "steps"], float] | None] = ("steps", 8 / 255)
    targeted_only: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the linf ball in input units; images are in [0, 1]."""
    steps: int = Field(200, ge=1)
    """Number of generations."""
    population: int = Field(16, ge=2)
    """Number of candidates for each example."""
    mutation_rate: float = Field(0.05, gt=0, le=1)
    """Probability that a value of a child mutates."""
    mutation_range: float = Field(0.25, gt=0, le=1)
    """Largest change by a mutation, as a share of epsilon."""
    temperature: float = Field(0.1, gt=0)
    """Temperature of the softmax over fitness that selects parents."""
    adaptive: bool = False
    """Let mutation rate and range decay when the fitness stops rising."""
    max_queries: int | None = Field(None, ge=1)
    """Largest number of forward passes for each example; `None`: no limit."""
    precision: Precision = "float32"
    """Precision of the scores; success is confirmed in float32 in any case."""

    @model_validator(mode="after")
    def _enough_queries(self) -> GenAttack:
        if self.max_queries is not None and self.max_queries < self.population:
            raise ValueError(f"max_queries must pay for one population ({self.population})")
        return self

    @property
    def random(self) -> bool:
        """It is."""
        return True

    @property
    def point(self) -> Point:
        """The radius and the number of generations."""
        return Point(self.epsilon, self.steps)

    @property
    def passes(self) -> float:
        """A population, and its children of each generation."""
        return float(self.population + self.steps * (self.population - 1))

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball and the box."""
        return clip_to_ball(candidates, clean, epsilon, "linf")

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons in one batch, all numbers of generations from one pass; who has succeeded leaves the batch."""
        readings = BestSoFar(batch.images, points)
        herd = _Population.begin(EpsilonBatch.spread(batch, readings.epsilons), self, seed)
        last = min(readings.steps[-1], self._generations_allowed())
        for generation in range(last + 1):
            oracle.report_progress(generation, last + 1)
            if generation:
                herd.breed(self, seed, generation)
            queries = herd.evaluate(oracle, first=generation == 0)
            index, best = herd.cells.index, herd.best()
            readings.spend(generation - 1, index, forwards=queries, backwards=0)
            readings.keep(generation, index, best)
            hit = herd.hit(oracle)
            readings.succeed(generation, index[hit], best[hit])
            herd = herd.at(readings.wants(generation, index).any(0)) if bool(hit.any()) else herd
            if not len(herd.cells.index):
                break
        for steps in readings.steps:
            if steps > last:
                readings.keep(steps, herd.cells.index, herd.members[:, 0])
        return readings.crafted(queries=True)

    def _generations_allowed(self) -> int:
        """How many generations `max_queries` pays for, after the first population."""
        if self.max_queries is None:
            return sys.maxsize
        return (self.max_queries - self.population) // (self.population - 1)


@dataclass
class _Population:
    """The populations `(n, P, C, H, W)` of the cells still standing, with their fitness `(n, P)`; member 0 is the
    elite, whose fitness is known already."""

    cells: EpsilonBatch
    members: Tensor
    fitness: Tensor
    hits: Tensor
    plateaus: Tensor
    waiting: Tensor
    record: Tensor

    @classmethod
    def begin(cls, cells: EpsilonBatch, attack: GenAttack, seed: int) -> _Population:
        count, size = len(cells.index), attack.population
        shape = (size, *cells.clean.shape[1:])
        noise = uniform(seed, "population", cells.ids, shape) * 2 - 1
        radius = cells.radius.view(-1, 1, 1, 1, 1)
        members = (cells.clean[:, None] + radius * noise).clamp_(0.0, 1.0)
        zeros = torch.zeros(count, device=cells.radius.device)
        return cls(
            cells=cells,
            members=members,
            fitness=torch.full((count, size), -torch.inf, device=members.device),
            hits=torch.zeros((count, size), dtype=torch.bool, device=members.device),
            plateaus=zeros,
            waiting=zeros.clone(),
            record=-torch.ones_like(zeros),
        )

    def at(self, chosen: Tensor) -> _Population:
        parts = (self.members, self.fitness, self.hits, self.plateaus, self.waiting, self.record)
        return _Population(self.cells.at(chosen), *(part[chosen] for part in parts))

    def evaluate(self, oracle: Oracle, *, first: bool) -> int:
        """Ask for the scores of every member whose fitness is not known; returns how many an image that took."""
        known = 0 if first else 1
        fresh = self.members[:, known:]
        count = fresh.shape[1]
        logits = oracle.logits(fresh.flatten(0, 1)).unflatten(0, fresh.shape[:2])
        if self.cells.targets is None:
            raise AssertionError("the harness draws targets for attacks that need one")
        targets = self.cells.targets[:, None, None].expand(-1, count, 1)
        own = logits.gather(2, targets)[..., 0]
        others = logits.scatter(2, targets, -torch.inf)
        self.fitness[:, known:] = own - others.logsumexp(2)
        self.hits[:, known:] = own >= others.amax(2)
        chances = logits.softmax(2)
        self._look_for_plateaus((chances.gather(2, targets)[..., 0] - chances.amax(2)).amax(1))
        return count

    def best(self) -> Tensor:
        """The fittest members, or one that hits the target where any does, moved to the elite's place."""
        rows = torch.arange(len(self.members), device=self.members.device)
        fittest = torch.where(self.hits, torch.inf, self.fitness).argmax(1)
        for values in (self.members, self.fitness, self.hits):
            first, other = values[:, 0].clone(), values[rows, fittest].clone()
            values[rows, fittest], values[:, 0] = first, other
        return self.members[:, 0]

    def hit(self, oracle: Oracle) -> Tensor:
        """Whether the elite is classified as the target, by the deployed network's own word."""
        found = self.hits[:, 0].clone()
        at = found.nonzero()[:, 0]
        if len(at) and self.cells.targets is not None:
            found[at] = oracle.is_adversarial(self.members[at, 0], self.cells.labels[at], self.cells.targets[at])
        return found

    def breed(self, attack: GenAttack, seed: int, generation: int) -> None:
        """Replace all but the elite by children."""
        ids, children = self.cells.ids, attack.population - 1
        chances = (self.fitness / attack.temperature).softmax(1)
        draws = uniform(seed, "parents", ids, (2 * children,), generation)
        parents = torch.searchsorted(chances.cumsum(1), draws).clamp_max(attack.population - 1)
        one, two = parents.split(children, dim=1)
        chance_one, chance_two = chances.gather(1, one), chances.gather(1, two)
        share = chance_one / (chance_one + chance_two).clamp_min(1e-30)
        rows = torch.arange(len(ids), device=ids.device)[:, None]
        shape = (children, *self.members.shape[2:])
        chance = random_bits(seed, "genes", ids, shape, generation)
        rate, reach = self._mutation(attack, generation)
        # One 64-bit word a value: 16 bits choose the parent, 16 whether it mutates, 24 by how much.
        from_one = ((chance >> 48) & 0xFFFF) < (share * 65536).to(torch.int64)[:, :, None, None, None]
        mutates = ((chance >> 32) & 0xFFFF) < (rate * 65536).to(torch.int64).view(-1, 1, 1, 1, 1)
        amount = (chance & 0xFFFFFF).to(torch.float32) * 2.0**-23 - 1
        born = torch.where(from_one, self.members[rows, one], self.members[rows, two])
        born += (reach * self.cells.radius).view(-1, 1, 1, 1, 1) * amount * mutates
        radius = broadcast_per_image(self.cells.radius, self.cells.clean)
        low, high = (self.cells.clean - radius).clamp_min(0), (self.cells.clean + radius).clamp_max(1)
        self.members[:, 1:] = torch.minimum(torch.maximum(born, low[:, None]), high[:, None])

    def _mutation(self, attack: GenAttack, generation: int) -> tuple[Tensor, Tensor]:
        """Rate and range of each cell."""
        if not attack.adaptive:
            ones = torch.ones_like(self.plateaus)
            return attack.mutation_rate * ones, attack.mutation_range * ones
        decay = 0.9**self.plateaus
        rate = torch.ones_like(decay) if generation <= 10 else (0.5 * decay).clamp_min(0.1)
        return rate, (0.4 * decay).clamp_min(0.15)

    def _look_for_plateaus(self, margin: Tensor) -> None:
        """Count generations without a better `margin` `(n,)` than ever before."""
        self.waiting = torch.where(margin > self.record, 0.0, self.waiting + 1)
        self.record = torch.maximum(self.record, margin)
        reached = self.waiting > torch.where(self.record > -0.4, 100, 300)
        self.plateaus = self.plateaus + reached
        self.waiting = torch.where(reached, 0.0, self.waiting)
