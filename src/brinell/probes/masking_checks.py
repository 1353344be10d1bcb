"""The checks that tell masked gradients: who is right under attacks that should be no stronger than PGD.

Sources: Athalye, Carlini & Wagner 2018 (section 3.1), Carlini et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from brinell.attacks import FGSM, GenAttack, Square, run_trial
from brinell.attacks.harness.losses import margin_loss
from brinell.attacks.harness.oracle import Oracle
from brinell.core import ZERO_GRADIENT_SHARE, Point
from brinell.nn import SURROGATES, BinaryLayer
from brinell.probes.masking_case import STEPS, Evidence, MaskingCase, Right, plain_pgd
from brinell.variants import set_surrogate

_TOLERANCE: Final = 0.05
"""Accuracy that two attacks of one budget may differ by on an honest network: what restarts and losses are worth."""
_LOSS_TOLERANCE: Final = 0.15
"""What a loss that does not saturate may break beyond cross-entropy: up to 12 points on networks trained on PGD."""
_PREDICTED: Final = (0.5, 1.5)
"""The change of the margin, as a multiple of what the gradient predicts, that curvature accounts for."""
_MISPREDICTED_SHARE: Final = 0.15
"""Share of the examples whose margin may change otherwise; 3 % at most did on networks without masking."""
_UNBOUNDED: Final = 0.02
"""Accuracy that an attack within half of the whole range may leave."""
_FREE_SHARE: Final = 0.1
"""Share of the standing examples that a gradient-free search may break before the gradients are blamed."""
_QUERIES: Final = 1000
"""Of Square, for each example."""


def no_gradient(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Logits that depend on the images by nothing that can be derived: no gradient attack can run."""
    yield Evidence("no gradient", 1.0, 0.0, True, "the logits have no gradient by the images at all")


def is_random(case: MaskingCase, base: Right) -> Iterator[Evidence]:
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


def _gradient_predicts(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 2: whether the margin changes along the gradient's sign as the gradient says.

    The way is a quarter of the radius, or a quarter of the way to the boundary by the gradient, whichever is shorter,
    both forwards and backwards. Examples without a gradient are left to the check of zero gradients.
    """
    correct = torch.from_numpy(case.clean["rank"] == 0)
    images, labels = case.images[correct], case.labels[correct]
    _, margin, gradient = Oracle(case.view, torch.device("cpu")).gradient(images, margin_loss, labels)
    slope = gradient.flatten(1).abs().sum(1)
    length = (-margin / (4 * slope.clamp_min(1e-30))).clamp_max(case.epsilon / 4)
    way = length[:, None, None, None] * gradient.sign()
    ahead, behind = (images + way).clamp(0, 1), (images - way).clamp(0, 1)
    actual = margin_loss(case.logits(ahead), labels) - margin_loss(case.logits(behind), labels)
    predicted = ((ahead - behind).double() * gradient).flatten(1).sum(1)  # a tiny gradient would vanish in float32
    ratio = (actual / predicted)[predicted > 0]
    off = ~((ratio >= _PREDICTED[0]) & (ratio <= _PREDICTED[1]))
    share = float(off.double().mean()) if len(off) else 0.0
    words = f"the margin does not change as the gradient predicts for {share:.0%} of the examples"
    yield Evidence("gradient against differences", share, _MISPREDICTED_SHARE, share > _MISPREDICTED_SHARE, words)


def _other_losses(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 3: losses that do not saturate, and cross-entropy of logits brought to an ordinary scale."""
    logits = case.logits(case.images[:64])
    ordinary_scale = _Scaled(case.view, 1 / max(float(logits.std()), 1e-12))
    yield _stronger("PGD with margin loss", base, case.right(plain_pgd(case, loss="margin"))[0], _LOSS_TOLERANCE)
    if logits.shape[1] >= 3:
        yield _stronger("PGD with DLR loss", base, case.right(plain_pgd(case, loss="dlr"))[0], _LOSS_TOLERANCE)
    yield _stronger("PGD with rescaled logits", base, case.right(plain_pgd(case), on=ordinary_scale)[0])


def transfer(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 4: another network's adversarials do more harm than one's own gradient."""
    if case.reference is not None:
        yield _stronger("transfer from the reference", base, case.right(plain_pgd(case), on=case.reference)[0])


def _surrogates(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 6: other derivatives in place of sign's."""
    if not any(isinstance(layer, BinaryLayer) for layer in case.view.modules()):
        return
    for name in SURROGATES:
        set_surrogate(case.view, name)
        yield _stronger(f"the surrogate gradient {name}", base, case.right(plain_pgd(case))[0])


def _behaviour(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 5: what more strength should do, and does not."""
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


def gradient_free(case: MaskingCase, base: Right) -> Iterator[Evidence]:
    """Check 7: a search through scores breaks what every gradient attack left standing."""
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
    is_random,
    _zero_gradients,
    _gradient_predicts,
    _other_losses,
    transfer,
    _behaviour,
    _surrogates,
    gradient_free,
)

CHECKS_WITHOUT_GRADIENT: Final = (is_random, no_gradient, transfer, gradient_free)
"""What can be checked where the logits have no gradient."""


def _stronger(name: str, base: Right, right: Right, tolerance: float = _TOLERANCE) -> Evidence:
    """Suspicious where an attack that should be no stronger leaves clearly less than plain PGD."""
    gain = float(base.mean() - right.mean())
    spread = 3 * float(np.sqrt(max(gain, 1 / len(base)) / len(base)))
    limit = max(tolerance, spread)
    return Evidence(name, gain, limit, gain > limit, f"{name} breaks {gain:.0%} more than plain PGD")


class _Scaled(nn.Module):
    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        """Logits times a factor: another temperature, the same classes."""
        logits: Tensor = self.network(images) * self.factor
        return logits
