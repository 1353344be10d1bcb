"""What becomes of each claim: it holds, does not, holds only because gradients are masked, or was not tested."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from brinell.analysis.papers.claims import ClaimPart, Outcome, claim_parts
from brinell.analysis.papers.published import Attacked, Breaks, Claim, Compare, OfCharacter, Stands, Transferred
from brinell.analysis.papers.reproduction import Reproduction
from brinell.analysis.records.probes import Masking

Verdict = Literal["holds", "does not hold", "only by masked gradients", "undecided", "not tested"]

FINDING_SCHEMA = {
    "claim": pl.String,
    "where": pl.String,
    "verdict": pl.String,
    "outcome": pl.String,
    "row": pl.String,
    "variant": pl.String,
    "at": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "examples": pl.Int64,
    "attack": pl.String,
    "other_row": pl.String,
    "other_variant": pl.String,
    "other_value": pl.Float64,
    "other_low": pl.Float64,
    "other_high": pl.Float64,
    "p_value": pl.Float64,
    "limit": pl.Float64,
    "missing": pl.String,
}
"""One row a part of a claim; `outcome` is the part's."""


@dataclass(frozen=True)
class Finding:
    """A claim, its verdict and the parts that decide it."""

    claim: Claim
    verdict: Verdict
    parts: tuple[ClaimPart, ...]
    masked: tuple[str, ...] = ()
    """Variants that the claim calls robust, and whose gradients the probe found masked."""
    suspect: tuple[str, ...] = ()
    """Those whose readings alone show signs of it."""
    unprobed: tuple[str, ...] = ()
    """Those that no masking probe has looked at, where the claim holds: nobody knows why it does."""

    @property
    def decisive(self) -> list[ClaimPart]:
        """The parts that the verdict rests on: what is against it before what is for it."""
        order = ("no", "undecided", "missing", "yes")
        worst = min((order.index(part.outcome) for part in self.parts), default=0)
        chosen = {order[worst]} if worst < len(order) - 2 else set(order)
        return sorted((part for part in self.parts if part.outcome in chosen), key=lambda p: order.index(p.outcome))


def findings(ours: Reproduction) -> list[Finding]:
    """Every claim of the paper, tested on the run.

    Args:
        ours: Of `reproduction`.

    Returns:
        In the paper's order.
    """
    return [finding(claim, ours) for claim in ours.paper.findings]


def finding(claim: Claim, ours: Reproduction) -> Finding:
    """One claim: denied by any part that is; otherwise not tested while any part is missing."""
    found = tuple(claim_parts(claim, ours))
    verdict = _verdict({part.outcome for part in found})
    if verdict == "not tested":
        return Finding(claim, verdict, found)
    evaluation = ours.evaluation
    praised = {ours.labels[row] for row in _praised(claim, ours.paper.score_based_attacks) if row in ours.labels}
    probed = {item.variant: item.record.masked for item in evaluation.probes.of(Masking)}
    masked = {label for label in praised if probed.get(label)}
    unprobed = praised - probed.keys() if verdict == "holds" else set()
    return Finding(
        claim,
        "only by masked gradients" if masked and verdict == "holds" else verdict,
        found,
        *(tuple(sorted(labels)) for labels in (masked, (praised & evaluation.suspects) - masked, unprobed)),
    )


def _verdict(outcomes: set[Outcome]) -> Verdict:
    if "no" in outcomes:
        return "does not hold"
    if "missing" in outcomes or not outcomes:
        return "not tested"
    return "undecided" if "undecided" in outcomes else "holds"


def _praised(claim: Claim, score_based: Collection[str]) -> Sequence[str]:
    """Rows whose robustness against gradients the claim asserts."""
    match claim:
        case Breaks() if claim.after is not None and claim.attack.kind not in score_based:
            return claim.rows
        case Stands() if claim.attack.kind not in score_based:
            return claim.rows
        case OfCharacter() if claim.character != "brittle" and claim.attack.kind not in score_based:
            return claim.rows
        case Compare() if any(
            isinstance(reads, Attacked | Transferred) and reads.attack.kind not in score_based for reads in claim.reads
        ):
            return {"more": claim.rows, "less": claim.than}.get(claim.verdict, ())
    return ()


def findings_table(found: Sequence[Finding], ours: Reproduction) -> pl.DataFrame:
    """Every part of every claim, unrounded: `FINDING_SCHEMA`.

    Args:
        found: Of `findings`.
        ours: Of `reproduction`.

    Returns:
        One row a part.
    """
    rows = []
    for item in found:
        for part in item.parts:
            value, other = part.value, part.other_value
            why = [value.why, "" if other is None else other.why]
            rows.append(
                (
                    *(item.claim.claim, item.claim.where, item.verdict, part.outcome),
                    *(part.row, ours.labels.get(part.row), part.at),
                    *(value.value, value.low, value.high, value.examples, value.attack),
                    *(part.other, ours.labels.get(part.other or "")),
                    *((None,) * 3 if other is None else (other.value, other.low, other.high)),
                    *(part.p_value, part.limit, "; ".join(dict.fromkeys(filter(None, why))) or None),
                )
            )
    return pl.DataFrame(rows, schema=FINDING_SCHEMA, orient="row")
