"""Is the robustness real, or are the gradients masked? Seven checks as one call, with the evidence and a verdict.

Sources: Athalye, Carlini & Wagner 2018 (section 3.1, the behaviours that betray obfuscated gradients), Carlini et al.
2019 (the checklist), and what distillation and binarisation are known to do: saturate the softmax, have no derivative.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.attacks import clean_predictions
from brinell.core import DataError, Fraction, Progress, no_progress
from brinell.probes.masking_checks import CHECKS, STEPS, Case, Evidence, plain_pgd
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
    """`verify` on the first `examples`, with the uncompressed network as the reference.

    Examples:
        >>> import brinell
        >>> brinell.probes.Masking(epsilon="8/255").examples
        100
    """

    kind = "masking"
    random: ClassVar[bool] = True

    epsilon: Fraction = Field(gt=0)
    """Radius of the linf ball in input units; images are in [0, 1]."""
    examples: int = Field(100, ge=1)
    """Test images that are attacked."""

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
        """Ten runs of 20 steps, one of them of 8 samples, one of 50 and one of 100; and searches among what is left."""
        return self.examples * (3.0 * (17 * STEPS + 50 + 100) + (1000 + 60 * 15) / 3)


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
    network = model.deployed() if isinstance(model, Variant) else _evaluated(model)
    view = model.view() if isinstance(model, Variant) else copy.deepcopy(network)  # surrogates are set on it
    parent = reference.deployed() if isinstance(reference, Variant) else reference
    ids = torch.arange(len(labels))
    clean = clean_predictions(network, images, labels, ids, seed=seed)
    if not (clean["rank"] == 0).any():
        raise DataError("labels: the network classifies none of these images correctly; there is nothing to verify")
    case = Case(network, view, parent, images, labels, ids, epsilon, seed, clean)
    base = case.right(plain_pgd(case))[0]
    evidence: list[Evidence] = []
    for done, check in enumerate(CHECKS):
        evidence.extend(check(case, base))
        progress("masking", done + 1, len(CHECKS))
    if case.standing.mean() > case.lowest:
        raise AssertionError(f"a worst case of {case.standing.mean():.4f} above {case.lowest:.4f}, which a check found")
    return Verdict(
        masked=any(item.suspicious for item in evidence),
        evidence=tuple(evidence),
        clean_accuracy=float((clean["rank"] == 0).mean()),
        reported=float(base.mean()),
        robust_accuracy=float(case.standing.mean()),
    )


def _evaluated(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode: in training mode a network answers by its batch, and changes its statistics."""
    return copy.deepcopy(module).eval()
