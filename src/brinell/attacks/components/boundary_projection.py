"""FAB's iteration: to the nearest linearised boundary, biased to the clean image, and back after a success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.hyperplane import way_to_plane
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.harness.attack import broadcast_per_image
from brinell.attacks.harness.losses import succeeded
from brinell.attacks.harness.oracle import Oracle
from brinell.nn import BallNorm, DistanceNorm, distance, gaussian, uniform

DUAL: Final[dict[BallNorm, DistanceNorm]] = {"linf": "l1", "l2": "l2", "l1": "linf"}
_SMALL: Final = 1e-12


class RunControl(Protocol):
    """Who looks at the iterates of a run, counts its passes, and says which cells go on."""

    @property
    def cells(self) -> EpsilonBatch:
        """The cells that are still in the run."""

    def spend(self, *, forwards: int = 1, backwards: int = 0, zero: Tensor | None = None) -> None:
        """Count passes."""

    def see(self, step: int, images: Tensor, logits: Tensor) -> None:
        """Look at an iterate."""

    def settle(self, step: int, *, last: bool = False) -> Tensor | None:
        """The places of the cells that go on, or `None` where all do."""


@dataclass(frozen=True)
class DescentSettings:
    """Settings of one run. `radius` `(n,)` is how far from the clean image it begins, at random; 0 for a first run."""

    part: SubRun
    norm: BallNorm
    steps: int
    radius: Tensor
    bias: float = 0.1
    overshoot: float = 0.05
    backward: float = 0.9


def project_on_boundaries(
    oracle: Oracle, watcher: RunControl, descent: DescentSettings, towards: Tensor | None
) -> None:
    """One run of algorithm 1; `towards` holds the class whose boundary is looked at for every cell, by its index."""
    images = _start(watcher.cells, descent)
    for step in range(1, descent.steps + 1):
        cells = watcher.cells
        if not len(cells.index):
            return
        descent.part.report(oracle, (step - 1) / descent.steps)
        gap, normal = _boundary(oracle, watcher, images, towards, descent.norm)
        images = _biased_step(images, cells.clean, gap, normal, descent)
        logits = oracle.logits(images)
        watcher.spend()
        watcher.see(step, images, logits)
        back = torch.where(succeeded(logits, cells.labels, cells.targets), descent.backward, 1.0)
        images = cells.clean + broadcast_per_image(back, images) * (images - cells.clean)
        stay = watcher.settle(step, last=step == descent.steps)
        images = images if stay is None else images[stay]


def _boundary(
    oracle: Oracle, watcher: RunControl, images: Tensor, towards: Tensor | None, norm: BallNorm
) -> tuple[Tensor, Tensor]:
    """How far the other class's logit is above the label's, `(n,)`, and the gradient of that."""
    cells = watcher.cells
    if towards is not None:
        other = towards[cells.index][:, None]

        def ahead(logits: Tensor, labels: Tensor, other: Tensor) -> Tensor:
            difference: Tensor = (logits.gather(1, other) - logits.gather(1, labels[:, None]))[:, 0]
            return difference

        _, gap, gradient = oracle.gradient(images, ahead, cells.labels, other)
        watcher.spend(backwards=1, zero=(gradient == 0).flatten(1).all(1))
        return gap, gradient
    gaps, gradients = oracle.differences(images, cells.labels, _others(oracle, cells))
    watcher.spend(backwards=gaps.shape[1], zero=(gradients == 0).flatten(1).all(1))
    slopes = torch.stack([distance(torch.zeros_like(part), part, DUAL[norm]) for part in gradients.unbind(1)], dim=1)
    nearest = (gaps.abs() / slopes.clamp_min(_SMALL)).argmin(1)
    rows = torch.arange(len(nearest), device=nearest.device)
    return gaps[rows, nearest], gradients[rows, nearest]


def _others(oracle: Oracle, cells: EpsilonBatch) -> Tensor:
    """All classes but the label, `(n, K - 1)`."""
    count = oracle.logits(cells.clean[:1]).shape[1]
    classes = torch.arange(1, count, device=cells.labels.device)
    return (cells.labels[:, None] + classes) % count


def _biased_step(images: Tensor, clean: Tensor, gap: Tensor, normal: Tensor, descent: DescentSettings) -> Tensor:
    """Equations 7 to 9: both ways to the plane, overshot, and the average of where they lead, by how long they are."""
    normal, images = normal.contiguous(), images.contiguous()
    reach = gap + torch.linalg.vecdot(clean.flatten(1) - images.flatten(1), normal.flatten(1))
    own = way_to_plane(images, normal, -gap, descent.norm)
    from_clean = way_to_plane(clean, normal, -reach, descent.norm)
    lengths = [distance(way, torch.zeros_like(way[:1]), descent.norm) for way in (own, from_clean)]
    share = broadcast_per_image(
        (lengths[0] / (lengths[0] + lengths[1]).clamp_min(_SMALL)).clamp(0, descent.bias), images
    )
    far = 1 + descent.overshoot
    return torch.lerp(own.mul_(far).add_(images), from_clean.mul_(far).add_(clean), share).clamp_(0.0, 1.0)


def _start(cells: EpsilonBatch, descent: DescentSettings) -> Tensor:
    """The clean image, or a random point at half of the radius (section 3.3, random restarts)."""
    if not bool(descent.radius.any()):
        return cells.clean
    shape = tuple(cells.clean.shape[1:])
    noise = gaussian(descent.part.seed, "fab start", cells.ids, shape, descent.part.number)
    if descent.norm == "linf":
        noise = uniform(descent.part.seed, "fab start", cells.ids, shape, descent.part.number) * 2 - 1
    length = distance(torch.zeros_like(noise), noise, descent.norm).clamp_min(_SMALL)
    return (cells.clean + broadcast_per_image(descent.radius / 2 / length, noise) * noise).clamp_(0.0, 1.0)
