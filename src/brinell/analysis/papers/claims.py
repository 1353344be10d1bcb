"""A claim against our numbers: each of its parts is borne out, denied, undecided, or lacks a measurement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Literal

import polars as pl

from brinell.analysis.papers.paired_counts import discordant
from brinell.analysis.papers.published import (
    Attack,
    Breaks,
    Claim,
    Compare,
    Falls,
    OfCharacter,
    Reaches,
    Reads,
    Stands,
    TransfersLess,
)
from brinell.analysis.papers.reproduction import NOBODY, Reproduction, Value
from brinell.analysis.significance.paired_tests import SIGNIFICANCE, mcnemar

Outcome = Literal["yes", "no", "undecided", "missing"]


@dataclass(frozen=True)
class ClaimPart:
    """One of the things that a claim says: a row's value `at` something, beside a limit or an `other` row's value."""

    outcome: Outcome
    row: str
    value: Value
    at: str = ""
    other: str | None = None
    other_value: Value | None = None
    limit: float | None = None
    share: bool = True
    """Whether the values are shares from 0 to 1."""
    alike: bool = False
    """Whether there is no difference between the two values."""
    p_value: float | None = None
    """McNemar's, where both values are shares of the same examples."""


def claim_parts(claim: Claim, ours: Reproduction) -> list[ClaimPart]:
    """Everything that the claim says, tested."""
    match claim:
        case Breaks():
            return [part for row in claim.rows for part in _breaks(claim, row, ours)]
        case Stands():
            return [_stands(claim, row, ours) for row in claim.rows]
        case Compare():
            return list(_compare(claim, ours))
        case Falls():
            return list(_falls(claim, ours))
        case Reaches():
            return [_reaches(claim, row, ours) for row in claim.rows]
        case OfCharacter():
            return [_character(claim, row, ours) for row in claim.rows]
        case TransfersLess():
            return [_transfers(claim, ours)]


Difference = Literal["more", "less", "alike"]


def differ(one: Value, other: Value) -> Difference | None:
    """Which is more, where zero is outside the interval of their difference (Newcombe 1998, of two intervals).

    It takes the two for independent: of values from the same examples it finds rather too few differences. `None` where
    either is unknown.
    """
    if one.value is None or other.value is None:
        return None
    bounds = [_bounds(one), _bounds(other)]
    difference = one.value - other.value
    down = math.hypot(one.value - bounds[0][0], bounds[1][1] - other.value)
    up = math.hypot(bounds[0][1] - one.value, other.value - bounds[1][0])
    return "more" if difference - down > 0 else "less" if difference + up < 0 else "alike"


def _bounds(value: Value) -> tuple[float, float]:
    known = value.value or 0.0
    return (known if value.low is None else value.low, known if value.high is None else value.high)


def _curve(claim: Breaks | Stands, row: str, ours: Reproduction) -> list[tuple[int, Value]] | Value:
    """Accuracy at each step, ascending; without any, a value that says why."""
    if row not in ours.labels:
        return Value(why=NOBODY)
    frame = ours.points(ours.labels[row], claim.attack).filter(pl.col("steps") > 0)
    if frame.is_empty():
        return Value(why=ours.missing(claim.attack))
    names = ("robust_accuracy", "robust_accuracy_low", "robust_accuracy_high", "examples", "attack")
    return [(steps, Value(*rest)) for steps, *rest in frame.sort("steps").select("steps", *names).iter_rows()]


def _breaks(claim: Breaks, row: str, ours: Reproduction) -> Iterator[ClaimPart]:
    """That it is broken by then, at its lowest; and that it was not before, at its lowest then."""
    curve, line = _curve(claim, row, ours), ours.evaluation.line
    if isinstance(curve, Value):
        yield ClaimPart("missing", row, curve)
        return
    by = [(steps, value) for steps, value in curve if steps <= claim.within]
    if by:
        steps, lowest = min(by, key=lambda point: _bounds(point[1]))
        outcome = _under(lowest, line)
        if outcome == "no" and curve[-1][0] < claim.within:
            outcome = "missing"  # it was not attacked for as long
        yield ClaimPart(outcome, row, lowest, _steps(steps), limit=line)
    else:
        yield ClaimPart("missing", row, Value(why=f"not read within {claim.within} steps"))
    before = [] if claim.after is None else [(steps, value) for steps, value in curve if steps <= claim.after]
    if before:
        steps, lowest = min(before, key=lambda point: _bounds(point[1]))
        yield ClaimPart(_not(_under(lowest, line)), row, lowest, _steps(steps), limit=line)
    elif claim.after is not None:
        yield ClaimPart("missing", row, Value(why=f"not read up to {claim.after} steps"))


def _stands(claim: Stands, row: str, ours: Reproduction) -> ClaimPart:
    curve, line = _curve(claim, row, ours), ours.evaluation.line
    if isinstance(curve, Value):
        return ClaimPart("missing", row, curve)
    steps, lowest = min(
        ((steps, value) for steps, value in curve if steps <= claim.upto),
        key=lambda point: _bounds(point[1]),
        default=(0, Value(why=f"not read up to {claim.upto} steps")),
    )
    if lowest.value is None:
        return ClaimPart("missing", row, lowest)
    outcome = _not(_under(lowest, line))
    if outcome == "yes" and curve[-1][0] < claim.upto:
        outcome = "missing"
    return ClaimPart(outcome, row, lowest, _steps(steps), limit=line)


def _under(value: Value, line: float) -> Outcome:
    low, high = _bounds(value)
    return "yes" if high <= line else "no" if low > line else "undecided"


def _not(outcome: Outcome) -> Outcome:
    return "no" if outcome == "yes" else "yes" if outcome == "no" else outcome


def _compare(claim: Compare, ours: Reproduction) -> Iterator[ClaimPart]:
    for reads in claim.reads:
        for row in claim.rows:
            for other in claim.than:
                one, two = ours.read(row, reads), ours.read(other, reads)
                found, p_value = _tested(one, two, discordant(ours, row, other, reads))
                right = found != "more" if claim.verdict == "not more" else found == claim.verdict
                outcome: Outcome = "missing" if found is None else "yes" if right else "no"
                alike = found == "alike"
                yield ClaimPart(
                    outcome, row, one, describe_metric(reads), other, two, None, _is_share(reads), alike, p_value
                )


def _tested(one: Value, other: Value, only: tuple[int, int] | None) -> tuple[Difference | None, float | None]:
    """Which is more, and McNemar's p-value where it is known how many examples count for only one of the two."""
    if only is None:
        return differ(one, other), None
    p_value = mcnemar(*only)
    if p_value >= SIGNIFICANCE:
        return "alike", p_value
    return "more" if only[0] > only[1] else "less", p_value


def _falls(claim: Falls, ours: Reproduction) -> Iterator[ClaimPart]:
    for row in claim.rows:
        for before, after in pairwise(claim.reads):
            one, two = ours.read(row, after), ours.read(row, before)
            found = differ(one, two)
            outcome: Outcome = "missing" if found is None else "yes" if found == "less" else "no"
            yield ClaimPart(
                outcome, row, one, describe_metric(after), row, two, share=_is_share(after), alike=found == "alike"
            )


def _reaches(claim: Reaches, row: str, ours: Reproduction) -> ClaimPart:
    value = ours.read(row, claim.reads)
    outcome: Outcome = "missing" if value.value is None else "yes" if value.value >= claim.least else "no"
    return ClaimPart(outcome, row, value, describe_metric(claim.reads), limit=claim.least, share=_is_share(claim.reads))


def _character(claim: OfCharacter, row: str, ours: Reproduction) -> ClaimPart:
    """By toughness and ductility; the value is the toughness."""
    if row not in ours.labels:
        return ClaimPart("missing", row, Value(why=NOBODY))
    label = ours.labels[row]
    names = ours.points(label, claim.attack)["attack"].unique().to_list()
    found = ours.evaluation.breaking.filter(pl.col("variant") == label, pl.col("attack").is_in(names))
    if found.is_empty() or found["character"][0] is None:
        return ClaimPart("missing", row, Value(why=ours.missing(claim.attack)))
    character = found["character"][0]
    outcome: Outcome = "yes" if character == claim.character else "no"
    value = Value(found["toughness"][0], attack=found["attack"][0])
    return ClaimPart(outcome, row, value, f"{character}, by a toughness of", share=False)


def _transfers(claim: TransfersLess, ours: Reproduction) -> ClaimPart:
    """Mean accuracy over all pairs of different rows; its interval is as wide as that of a single pair."""
    present = [row for row in claim.rows if row in ours.labels]
    one, two = (_pooled(attack, present, ours) for attack in (claim.attack, claim.than))
    found = differ(one, two)
    outcome: Outcome = "missing" if found is None else "yes" if found == "more" else "no"
    at = f"left by {claim.attack.kind} made elsewhere"
    return ClaimPart(outcome, "", one, at, f"by {claim.than.kind}", two, alike=found == "alike")


def _pooled(attack: Attack, rows: list[str], ours: Reproduction) -> Value:
    found = [ours.crossing(ours.labels[one], ours.labels[two], attack) for one, two in permutations(rows, 2)]
    known = [reading for reading in found if reading is not None and reading["accuracy"] is not None]
    if not known:
        return Value(why=f"no transfers of {attack.kind}")
    frame = pl.DataFrame(known)
    means = pl.col("accuracy", "accuracy_low", "accuracy_high").mean()
    return Value(*frame.select(means, pl.col("examples").min(), pl.col("attack").first()).row(0))


def describe_metric(reads: Reads) -> str:
    """What is read, in a few words."""
    match reads.read:
        case "clean":
            return "on clean images"
        case "attack":
            radius = "" if reads.attack.epsilon is None else f" at {255 * reads.attack.epsilon:g}/255"
            kept = " (share kept)" if reads.of == "kept" else ""
            return f"under {reads.attack.kind}{radius}{kept}"
        case "transfer":
            return f"under {reads.attack.kind} made on {reads.source or 'it'}"
        case "map":
            return f"after {_steps(reads.steps)} of DeepFool" if reads.steps else "before DeepFool"
        case "cost":
            return {"compression_ratio": "compression rate", "encoded_bytes": "file, MB"}.get(
                reads.column, reads.column
            )
        case "energy":
            return {"time_s": "seconds", "power_w": "watts", "energy_j": "joules"}[reads.column]


def _is_share(reads: Reads) -> bool:
    return reads.read in ("clean", "attack", "transfer")


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"
