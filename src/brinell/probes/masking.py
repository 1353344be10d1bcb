"""Is the robustness real, or are the gradients masked? Six checks as one call, with the evidence and a verdict.

Sources: Athalye, Carlini & Wagner 2018 (section 3.1, the behaviours that betray obfuscated gradients), Carlini et al.
2019 (the checklist), and what distillation and binarisation are known to do: saturate the softmax, have no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from brinell.attacks import FGSM, PGD, Attack, Columns, FrozenNetwork, GenAttack, clean_predictions, run_trial
from brinell.core import ZERO_GRADIENT_SHARE, DataError, Fraction, Point, Progress, no_progress
from brinell.nn import SURROGATES, BinaryLayer, frozen_copy, frozen_evaluation
from brinell.probes.middle_radius import middle_radius
from brinell.probes.probe import Probe, ProbeInput, ProbeResult
from brinell.variants import Variant

_STEPS: Final = 20
_TOLERANCE: Final = 0.05
"""Accuracy that two attacks of one budget may differ by on an honest network: what restarts and losses are worth."""
_UNBOUNDED: Final = 0.02
"""Accuracy that an attack within half of the whole range may leave."""
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


@dataclass(frozen=True)
class Verdict:
    """`masked` if any check is suspicious. `robust_accuracy` is the worst case per example over all that was run;
    `reported` is what PGD on cross-entropy alone would have said."""

    masked: bool
    evidence: tuple[Evidence, ...]
    clean_accuracy: float
    reported: float
    robust_accuracy: float

    @property
    def summary(self) -> str:
        """The verdict in words."""
        figures = f"{self.robust_accuracy:.1%} robust in the worst case, {self.reported:.1%} as PGD reports it"
        reasons = [item.words for item in self.evidence if item.suspicious]
        if not reasons:
            return f"No sign of masked gradients in {len(self.evidence)} checks; {figures}."
        return f"The gradients are masked: {'; '.join(reasons)}. {figures[0].upper()}{figures[1:]}."


class Masking(Probe):
    """`verify` on the first `examples`, with the uncompressed network as the reference.

    Examples:
        >>> import brinell
        >>> brinell.probes.Masking(epsilon="8/255").examples
        100
    """

    kind = "masking"
    random: ClassVar[bool] = True
    joins_gradient_attacks: ClassVar[bool] = True

    epsilon: Fraction = Field(gt=0)
    """Radius of the linf ball in input units; images are in [0, 1]."""
    examples: int = Field(100, ge=1)
    """Test images that are attacked."""

    @classmethod
    def completed(cls, settings: Mapping[str, Any], attacks: Mapping[str, Sequence[Attack]]) -> dict[str, Any]:
        """`epsilon` is the middle one of the linf radii that the gradient attacks are read at."""
        return {"epsilon": middle_radius(attacks), **settings}

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """The verdict, with the evidence of every check."""
        found = verify(
            asked.variant,
            asked.images,
            asked.labels,
            epsilon=self.epsilon,
            reference=asked.reference,
            seed=asked.seed,
            progress=asked.progress,
        )
        return ProbeResult(
            {
                "masked": found.masked,
                "summary": found.summary,
                "examples": len(asked.images),
                "epsilon": self.epsilon,
                "evidence": [item.record() for item in found.evidence],
                "robust_accuracy": found.robust_accuracy,
                "reported": found.reported,
            }
        )

    def passes(self) -> float:
        """Ten walks of 20 steps, one of 50, one of 100, four radii; and a search among what is left."""
        return self.examples * (3.0 * (10 * _STEPS + 50 + 100) + 60 * 15 / 3)


@dataclass
class _Case:
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
    frozen: FrozenNetwork = field(init=False)

    def __post_init__(self) -> None:
        self.standing = self.clean["rank"] == 0
        self.frozen = FrozenNetwork(self.network, torch.device("cpu"))

    def logits(self, images: Tensor) -> Tensor:
        """What the network says of `images`, `(n, classes)`; a random one says something else each time."""
        with torch.no_grad():
            return self.frozen.deployed(images)(images)

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
        within = (rows["linf"] <= self.epsilon * (1 + 1e-5)).reshape(right.shape)
        self.standing &= (right | ~within).all(0)
        return right


@torch.inference_mode(False)
def verify(
    model: nn.Module | Variant,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    reference: nn.Module | Variant | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Verdict:
    """Check a network's robustness at linf `epsilon` on float images `(N, C, H, W)` in [0, 1].

    `reference` is the uncompressed parent, or any network of the same task, whose adversarials are transferred. A
    hundred examples give a verdict, some hundreds a firm one.

    Raises:
        DataError: nothing is classified correctly, so there is no robustness to check.
    """
    with frozen_evaluation(*(network for network in (model, reference) if isinstance(network, nn.Module))):
        network = model.deployed() if isinstance(model, Variant) else frozen_copy(model)
        view = model.view() if isinstance(model, Variant) else frozen_copy(model)  # surrogates are set on it
        parent = reference.deployed() if isinstance(reference, Variant) else reference
        ids = torch.arange(len(labels))
        clean = clean_predictions(network, images, labels, ids, seed=seed)
        if not (clean["rank"] == 0).any():
            raise DataError("labels: the network classifies none of these images correctly; there is nothing to verify")
        case = _Case(network, view, parent, images, labels, ids, epsilon, seed, clean)
        base = case.right(_pgd(case))[0]
        evidence: list[Evidence] = []
        for done, check in enumerate(CHECKS):
            evidence.extend(check(case, base))
            progress("masking", done + 1, len(CHECKS))
        return Verdict(
            masked=any(item.suspicious for item in evidence),
            evidence=tuple(evidence),
            clean_accuracy=float((clean["rank"] == 0).mean()),
            reported=float(base.mean()),
            robust_accuracy=float(case.standing.mean()),
        )


def _pgd(case: _Case, **changes: object) -> PGD:
    return PGD(epsilon=case.epsilon, steps=_STEPS).model_copy(update=changes)


def _is_random(case: _Case, base: Right) -> Iterator[Evidence]:
    """A network that answers differently each time hides behind noise; its attacker would average over it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        answers = torch.stack([case.logits(case.images[:64]) for _ in range(5)])
    difference = float((answers - answers[0]).abs().amax())
    yield Evidence("randomness", difference, 0.0, difference > 1e-3, "the same image gets other logits each time")


def _zero_gradients(case: _Case, base: Right) -> Iterator[Evidence]:
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


def _other_losses(case: _Case, base: Right) -> Iterator[Evidence]:
    """Check 2: losses that do not saturate, and cross-entropy of logits brought to an ordinary scale."""
    logits = case.logits(case.images[:64])
    ordinary_scale = _Scaled(case.view, 1 / max(float(logits.std()), 1e-12))
    yield _stronger("PGD with margin loss", base, case.right(_pgd(case, loss="margin"))[0])
    if logits.shape[1] >= 3:
        yield _stronger("PGD with DLR loss", base, case.right(_pgd(case, loss="dlr"))[0])
    yield _stronger("PGD with rescaled logits", base, case.right(_pgd(case), on=ordinary_scale)[0])


def _transfer(case: _Case, base: Right) -> Iterator[Evidence]:
    """Check 3: another network's adversarials do more harm than one's own gradient."""
    if case.reference is not None:
        yield _stronger("transfer from the reference", base, case.right(_pgd(case), on=case.reference)[0])


def _surrogates(case: _Case, base: Right) -> Iterator[Evidence]:
    """Check 5: other derivatives in place of sign's."""
    if not any(isinstance(layer, BinaryLayer) for layer in case.view.modules()):
        return
    for name in SURROGATES:
        for layer in case.view.modules():
            if isinstance(layer, BinaryLayer):
                layer.surrogate = name
        yield _stronger(f"the surrogate gradient {name}", base, case.right(_pgd(case))[0])


def _behaviour(case: _Case, base: Right) -> Iterator[Evidence]:
    """Check 6: what more strength should do, and does not."""
    unbounded = float(case.right(_pgd(case, epsilon=0.5, steps=50))[0].mean())
    words = f"an unbounded attack leaves {unbounded:.0%}"
    yield Evidence("unbounded attack", unbounded, _UNBOUNDED, unbounded > _UNBOUNDED, words)
    radii = [case.epsilon * factor for factor in (0.5, 1.0, 2.0, 4.0)]
    curve = case.right(_pgd(case), points=[Point(radius, _STEPS) for radius in radii]).mean(1)
    rise = float(np.diff(curve).max())
    yield Evidence(
        "accuracy over epsilon", rise, _TOLERANCE, rise > _TOLERANCE, f"accuracy rises by {rise:.0%} with epsilon"
    )
    single = case.right(FGSM(epsilon=case.epsilon))[0]
    yield _stronger("a single step (FGSM)", base, single)
    more = case.right(_pgd(case, steps=5 * _STEPS))[0]
    yield _stronger(f"PGD with {5 * _STEPS} instead of {_STEPS} steps", base, more)


def _gradient_free(case: _Case, base: Right) -> Iterator[Evidence]:
    """Check 4: a search through scores breaks what every gradient attack left standing."""
    left = torch.from_numpy(case.standing).nonzero()[:100, 0]
    if len(left) < 10:
        return
    logits = case.logits(case.images[left])
    targets = logits.scatter(1, case.labels[left][:, None], -torch.inf).argmax(1)
    search = GenAttack(epsilon=case.epsilon, steps=60, mutation_rate=0.1, mutation_range=1.0)
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
    fell = rows["rank"] > 0
    case.standing[left.numpy()[fell]] = False
    share = float(fell.mean())
    words = f"a gradient-free search breaks {share:.0%} of what every gradient attack left standing"
    yield Evidence("gradient-free search", share, _FREE_SHARE, share > _FREE_SHARE, words)


CHECKS: Final[tuple[Callable[[_Case, Right], Iterator[Evidence]], ...]] = (
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
