"""Is the robustness real, or are the gradients masked? Seven checks as one call, with the evidence and a verdict.

Sources: Athalye, Carlini & Wagner 2018 (section 3.1, the behaviours that betray obfuscated gradients), Carlini et al.
2019 (the checklist), and what distillation and binarisation are known to do: saturate the softmax, have no derivative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.attacks import Attack, clean_predictions
from brinell.core import DataError, Fraction, Progress, no_progress
from brinell.nn import frozen_copy, frozen_evaluation
from brinell.probes.masking_case import STEPS, Evidence, MaskingCase, has_gradient, plain_pgd
from brinell.probes.masking_checks import CHECKS, CHECKS_WITHOUT_GRADIENT
from brinell.probes.median_radius import median_radius
from brinell.probes.probe import Probe, ProbeInput, ProbeResult
from brinell.variants import Variant


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
    """`check_gradient_masking` on the first `examples`, with the uncompressed network as the reference.

    Examples:
        >>> import brinell
        >>> brinell.probes.Masking(epsilon="8/255").examples
        100
    """

    kind = "masking"
    revision: ClassVar[int] = 3
    random: ClassVar[bool] = True
    joins_gradient_attacks: ClassVar[bool] = True

    epsilon: Fraction = Field(gt=0, le=1)
    """Radius of the linf ball in input units; images are in [0, 1]."""
    examples: int = Field(100, ge=1)
    """Test images that are attacked."""

    @classmethod
    def completed(cls, settings: Mapping[str, Any], attacks: Mapping[str, Sequence[Attack]]) -> dict[str, Any]:
        """`epsilon` is the middle one of the linf radii that the gradient attacks are read at."""
        return {"epsilon": median_radius(attacks), **settings}

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """The verdict, with the evidence of every check."""
        found = check_gradient_masking(
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
        """Ten walks of 20 steps, one of 50, one of 100, four radii; and two searches among what is left."""
        return self.examples * (3.0 * (10 * STEPS + 50 + 100) + (60 * 15 + 1000) / 3)


@torch.inference_mode(False)
def check_gradient_masking(
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
        case = MaskingCase(network, view, parent, images, labels, ids, epsilon, seed, clean)
        derived = has_gradient(case)
        base = case.right(plain_pgd(case))[0] if derived else case.standing.copy()
        checks = CHECKS if derived else CHECKS_WITHOUT_GRADIENT
        evidence: list[Evidence] = []
        for done, check in enumerate(checks):
            evidence.extend(check(case, base))
            progress("masking", done + 1, len(checks))
        return Verdict(
            masked=any(item.suspicious for item in evidence),
            evidence=tuple(evidence),
            clean_accuracy=float((clean["rank"] == 0).mean()),
            reported=float(base.mean()),
            robust_accuracy=case.worst_case(),
        )
