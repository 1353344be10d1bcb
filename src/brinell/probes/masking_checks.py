"""The checks that tell masked gradients: who is right under attacks that should be no stronger than PGD.

Sources: Athalye, Carlini & Wagner 2018 (section 3.1), Carlini et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.attacks import FGSM, PGD, Attack, Columns, FrozenNetwork, GenAttack, Square, run_trial
from brinell.core import ZERO_GRADIENT_SHARE, Point
from brinell.nn import SURROGATES, BinaryLayer
from brinell.variants import set_surrogate

STEPS: Final = 20
_TOLERANCE: Final = 0.05
"""Accuracy that two attacks of one budget may differ by on an honest network: what restarts and losses are worth."""
_UNBOUNDED: Final = 0.02
"""Accuracy that an attack within half of the whole range may leave."""
_FREE_SHARE: Final = 0.1
"""Share of the standing examples that a gradient-free search may break before the gradients are blamed."""
_ROUNDING: Final = 2.0**-23
"""What a distance between float32 values in [0, 1] may be beyond the radius that they were clipped to."""
_QUERIES: Final = 1000
"""Of Square, for each example."""


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


def plain_pgd(case: MaskingCase, **changes: object) -> PGD:
    """PGD with `STEPS` steps at the radius of the case."""
    return PGD(epsilon=case.epsilon, steps=STEPS).model_copy(update=changes)


def _is_random(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """A network that answers differently each time hides behind noise; its attacker would average over it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        answers = torch.stack([case.logits(case.images[:64]) for _ in range(5)])
    difference = float((answers - answers[0]).abs().amax())
    yield Evidence("randomness", difference, 0.0, difference > 1e-3, "the same image gets other logits each time")


def _zero_gradients(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 1: examples whose input gradient is exactly zero, or infinite or undefined in places."""
    result = run_trial(
        case.network,
        case.view,
        case.images,
        case.labels,
        case.ids,
        FGSM(epsilon=case.epsilon),
        seed=case.seed,
        clean=case.clean,
        rounded=False,
    )
    share = float((result.rows["zero_gradients"] > 0)[case.clean["rank"] == 0].mean())
    words = f"the gradient is exactly zero for {share:.0%} of the examples"
    yield Evidence("zero gradients", share, ZERO_GRADIENT_SHARE, share > ZERO_GRADIENT_SHARE, words)
    infinite = result.computation.infinite_gradients / max(1, result.computation.gradients)
    words = f"the gradient is infinite or undefined in places for {infinite:.0%} of the examples"
    yield Evidence("infinite gradients", infinite, 0.0, infinite > 0, words)


def _other_losses(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 2: losses that do not saturate, and cross-entropy of logits brought to an ordinary scale."""
    logits = case.logits(case.images[:64])
    ordinary_scale = _Scaled(case.view, 1 / max(float(logits.std()), 1e-12))
    yield _stronger("PGD with margin loss", base, case.right(plain_pgd(case, loss="margin"))[0])
    if logits.shape[1] >= 3:
        yield _stronger("PGD with DLR loss", base, case.right(plain_pgd(case, loss="dlr"))[0])
    yield _stronger("PGD with rescaled logits", base, case.right(plain_pgd(case), on=ordinary_scale)[0])


def _transfer(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 3: another network's adversarials do more harm than one's own gradient."""
    if case.reference is not None:
        yield _stronger("transfer from the reference", base, case.right(plain_pgd(case), on=case.reference)[0])


def _surrogates(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 5: other derivatives in place of sign's."""
    if not any(isinstance(layer, BinaryLayer) for layer in case.view.modules()):
        return
    for name in SURROGATES:
        set_surrogate(case.view, name)
        yield _stronger(f"the surrogate gradient {name}", base, case.right(plain_pgd(case))[0])


def _behaviour(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 6: what more strength should do, and does not."""
    unbounded = float(case.right(plain_pgd(case, epsilon=max(0.5, case.epsilon), steps=50))[0].mean())
    words = f"an unbounded attack leaves {unbounded:.0%}"
    yield Evidence("unbounded attack", unbounded, _UNBOUNDED, unbounded > _UNBOUNDED, words)
    radii = sorted({min(1.0, case.epsilon * factor) for factor in (0.5, 1.0, 2.0, 4.0)})
    curve = case.right(plain_pgd(case), points=[Point(radius, STEPS) for radius in radii]).mean(1)
    rise = float(np.diff(curve).max())
    yield Evidence(
        "accuracy over epsilon", rise, _TOLERANCE, rise > _TOLERANCE, f"accuracy rises by {rise:.0%} with epsilon"
    )
    single = case.right(FGSM(epsilon=case.epsilon))[0]
    yield _stronger("a single step (FGSM)", base, single)
    more = case.right(plain_pgd(case, steps=5 * STEPS))[0]
    yield _stronger(f"PGD with {5 * STEPS} instead of {STEPS} steps", base, more)


def _gradient_free(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 4: a search through scores breaks what every gradient attack left standing."""
    left = torch.from_numpy(case.standing).nonzero()[:100, 0]
    if len(left) < 10:
        return
    logits = case.logits(case.images[left])
    targets = logits.scatter(1, case.labels[left][:, None], -torch.inf).argmax(1)
    square = Square(epsilon=case.epsilon, steps=_QUERIES)
    genetic = GenAttack(epsilon=case.epsilon, steps=60, mutation_rate=0.1, mutation_range=1.0)
    yield _searched("Square", "Square", case.search(left, square, None))
    yield _searched("gradient-free search", "a gradient-free search", case.search(left, genetic, targets))


def _searched(check: str, subject: str, share: float) -> Evidence:
    words = f"{subject} breaks {share:.0%} of what every gradient attack left standing"
    return Evidence(check, share, _FREE_SHARE, share > _FREE_SHARE, words)


CHECKS: Final[tuple[Callable[[MaskingCase, Right], Iterator[Evidence]], ...]] = (
    _is_random,
    _zero_gradients,
    _other_losses,
    _transfer,
    _behaviour,
    _surrogates,
    _gradient_free,
)


def _stronger(name: str, base: Right, right: Right) -> Evidence:
    """Suspicious where an attack that should be no stronger leaves clearly less than plain PGD."""
    gain = float(base.mean() - right.mean())
    spread = 3 * float(np.sqrt(max(gain, 1 / len(base)) / len(base)))
    limit = max(_TOLERANCE, spread)
    return Evidence(name, gain, limit, gain > limit, f"{name} breaks {gain:.0%} more than plain PGD")


class _Scaled(nn.Module):
    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        """Logits times a factor: another temperature, the same classes."""
        logits: Tensor = self.network(images) * self.factor
        return logits
