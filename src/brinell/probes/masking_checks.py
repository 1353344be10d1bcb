"""Checks for masked gradients: what each has found, against what a network without any would show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.attacks import FGSM, PGD, Attack, Columns, GenAttack, Square, run_trial
from brinell.core import Point
from brinell.nn import SURROGATES, BinaryLayer
from brinell.variants import set_surrogate

STEPS: Final = 20
_TOLERANCE: Final = 0.05
"""Accuracy that two attacks of one budget may differ by on an honest network: what restarts and losses are worth."""
_SAMPLES: Final = 8
_QUERIES: Final = 1000
ROUNDING: Final = 1e-6
"""What float32 may add to a radius: an image's values are exact to 6e-8."""
_UNBOUNDED: Final = 0.02
"""Accuracy that an attack within half of the whole range may leave."""
_ZERO_SHARE: Final = 0.05
_FREE_SHARE: Final = 0.1
"""Share of the standing examples that a gradient-free search may break before the gradients are blamed."""


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
class Case:
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
    """Who has fallen to nothing so far."""
    lowest: float = 1.0
    """The lowest accuracy that a check has seen within the radius."""

    def __post_init__(self) -> None:
        self.standing = self.clean["rank"] == 0

    def right(self, attack: Attack, *, on: nn.Module | None = None, points: list[Point] | None = None) -> Right:
        """`(P, N)`: who is still right under the attack, crafted on the view or on `on`.

        Only rows within the radius count for the worst case.
        """
        source = on or self.view
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
        within = (rows["linf"] <= self.epsilon + ROUNDING).reshape(right.shape)
        self.standing &= (right | ~within).all(0)
        whole = [float(row.mean()) for row, near in zip(right, within, strict=True) if near.all()]
        self.lowest = min([self.lowest, *whole])
        return right


def plain_pgd(case: Case, **changes: object) -> PGD:
    """What the network's robustness would be reported by, with changes."""
    return PGD(epsilon=case.epsilon, steps=STEPS).model_copy(update=changes)


def _is_random(case: Case, base: Right) -> Iterator[Evidence]:
    """A network that answers differently each time hides behind noise; its attacker would average over it."""
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        answers = torch.stack([case.network(case.images[:64]) for _ in range(5)])
    difference = float((answers - answers[0]).abs().amax())
    yield Evidence("randomness", difference, 0.0, difference > 1e-3, "the same image gets other logits each time")


def _zero_gradients(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 1: examples whose input gradient is exactly zero."""
    rows = run_trial(
        case.network,
        case.view,
        case.images,
        case.labels,
        case.ids,
        FGSM(epsilon=case.epsilon),
        seed=case.seed,
        clean=case.clean,
        rounded=False,
    ).rows
    share = float((rows["zero_gradients"] > 0)[case.clean["rank"] == 0].mean())
    words = f"the gradient is exactly zero for {share:.0%} of the examples"
    yield Evidence("zero gradients", share, _ZERO_SHARE, share > _ZERO_SHARE, words)


def _other_losses(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 2: losses that do not saturate, and cross-entropy of logits brought to an ordinary scale."""
    with torch.inference_mode():
        logits = case.network(case.images[:64])
    ordinary_scale = _Scaled(case.view, 1 / max(float(logits.std()), 1e-12))
    yield _stronger("PGD with margin loss", base, case.right(plain_pgd(case, loss="margin"))[0])
    if logits.shape[1] >= 3:
        yield _stronger("PGD with DLR loss", base, case.right(plain_pgd(case, loss="dlr"))[0])
    yield _stronger("PGD with rescaled logits", base, case.right(plain_pgd(case), on=ordinary_scale)[0])


def _transfer(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 3: another network's adversarials do more harm than one's own gradient."""
    if case.reference is not None:
        yield _stronger("transfer from the reference", base, case.right(plain_pgd(case), on=case.reference)[0])


def _surrogates(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 5: other derivatives in place of sign's."""
    if not any(isinstance(layer, BinaryLayer) for layer in case.view.modules()):
        return
    for name in SURROGATES:
        set_surrogate(case.view, name)
        yield _stronger(f"the surrogate gradient {name}", base, case.right(plain_pgd(case))[0])


def _behaviour(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 6: what more strength should do, and does not."""
    unbounded = float(case.right(plain_pgd(case, epsilon=0.5, steps=50))[0].mean())
    words = f"an unbounded attack leaves {unbounded:.0%}"
    yield Evidence("unbounded attack", unbounded, _UNBOUNDED, unbounded > _UNBOUNDED, words)
    radii = sorted({min(case.epsilon * factor, 1.0) for factor in (0.5, 1.0, 2.0, 4.0)})
    curve = case.right(plain_pgd(case), points=[Point(radius, STEPS) for radius in radii]).mean(1)
    rise = float(np.diff(curve).max())
    yield Evidence(
        "accuracy over epsilon", rise, _TOLERANCE, rise > _TOLERANCE, f"accuracy rises by {rise:.0%} with epsilon"
    )
    single = case.right(FGSM(epsilon=case.epsilon))[0]
    yield _stronger("a single step (FGSM)", base, single)
    more = case.right(plain_pgd(case, steps=5 * STEPS))[0]
    yield _stronger(f"PGD with {5 * STEPS} instead of {STEPS} steps", base, more)


def _smoothed(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 7: averages of gradients round the image lead on where single ones point anywhere."""
    blurred = _Blurred(case.view, case.epsilon / 2)
    yield _stronger("PGD with smoothed gradients", base, case.right(plain_pgd(case, samples=_SAMPLES), on=blurred)[0])


def _gradient_free(case: Case, base: Right) -> Iterator[Evidence]:
    """Check 4: searches through scores break what every gradient attack left standing."""
    left = torch.from_numpy(case.standing).nonzero()[:100, 0]
    if len(left) < 10:
        return
    with torch.inference_mode():
        logits = case.network(case.images[left])
    runners_up = logits.scatter(1, case.labels[left][:, None], -torch.inf).argmax(1)
    genetic = GenAttack(epsilon=case.epsilon, steps=60, mutation_rate=0.1, mutation_range=1.0)
    fell = np.zeros(len(left), dtype=bool)
    for search, targets in ((Square(epsilon=case.epsilon, steps=_QUERIES), None), (genetic, runners_up)):
        rows = run_trial(
            case.network,
            case.network,
            case.images[left],
            case.labels[left],
            case.ids[left],
            search,
            targets=targets,
            seed=case.seed,
            rounded=False,
        ).rows
        fell |= rows["rank"] > 0
    case.standing[left.numpy()[fell]] = False
    share = float(fell.mean())
    words = f"a gradient-free search breaks {share:.0%} of what every gradient attack left standing"
    yield Evidence("gradient-free search", share, _FREE_SHARE, share > _FREE_SHARE, words)


CHECKS: Final[tuple[Callable[[Case, Right], Iterator[Evidence]], ...]] = (
    _is_random,
    _zero_gradients,
    _other_losses,
    _transfer,
    _behaviour,
    _surrogates,
    _smoothed,
    _gradient_free,
)


def _stronger(name: str, base: Right, right: Right) -> Evidence:
    """Suspicious where an attack that should be no stronger leaves clearly less than plain PGD."""
    gain = float(base.mean() - right.mean())
    spread = 3 * float(np.sqrt(max(gain, 1 / len(base)) / len(base)))
    limit = max(_TOLERANCE, spread)
    return Evidence(name, gain, limit, gain > limit, f"{name} breaks {gain:.0%} more than plain PGD")


class _Blurred(nn.Module):
    """A network that sees its images under normal noise of this size."""

    def __init__(self, network: nn.Module, size: float) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Tensor) -> Tensor:
        """Logits of noisy images."""
        logits: Tensor = self.network(images + self.size * torch.randn_like(images))
        return logits


class _Scaled(nn.Module):
    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        """Logits times a factor: another temperature, the same classes."""
        logits: Tensor = self.network(images) * self.factor
        return logits
