"""The paper's findings: which hold here, which do not, and which only because gradients are masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from brinell.analysis import SIGNIFICANCE, Evaluation
from brinell.analysis.papers import (
    NOBODY,
    ClaimPart,
    Finding,
    Reproduction,
    Value,
    Verdict,
    findings,
    reproduction,
    stacked,
)
from brinell.reporting.formats import MISSING, chance, interval, listing, percent, whole
from brinell.reporting.table import Cell, Column, Table

SHOWN = 6
"""Parts of a claim that a row shows; the file holds them all."""

RULES = (
    f"One network does better than another where p is under {SIGNIFICANCE:g} in McNemar's exact test on the examples "
    "that both met; where it is no share of the same examples, or a mean over seeds, where zero is outside the 95% "
    "interval of the difference (Newcombe). "
    "A network is broken where all of its accuracy's interval is at or under the breaking line, and stands where it is "
    "above; that is undecided where the line is inside. A claim of robustness against gradients holds only by masked "
    "gradients where the masking probe says so of the variant. A claim does not hold if any part of it does not; "
    "otherwise it is not tested while a part is missing."
)

UNTESTED: Final = "not tested"

ORDER: tuple[Verdict, ...] = ("does not hold", "only by masked gradients", "undecided", "holds", UNTESTED)


def tables(evaluation: Evaluation) -> list[Table]:
    """Claims that were decided, and claims that were not tested; neither where the study reproduces no paper."""
    ours = reproduction(evaluation)
    if ours is None:
        return []
    found = findings(ours)
    counts = Counter(item.verdict for item in found)
    said = ", ".join(f"{verdict} {counts[verdict]}" for verdict in ORDER if counts[verdict])
    head = f"{whole(len(found), 'claim')}: {said}."
    tested = [item for item in found if item.verdict != UNTESTED]
    title = f"What {ours.paper.name} found"
    untested = [item for item in found if item.verdict == UNTESTED]
    return [
        _table("findings", "findings", title, f"{head} {RULES}", tested, ours),
        _table(
            "findings-not-tested",
            "untested-findings",
            f"{title} and was not tested",
            head,
            untested,
            ours,
        ),
    ]


def _table(name: str, section: str, title: str, caption: str, found: Sequence[Finding], ours: Reproduction) -> Table:
    return Table(
        name=name,
        section=section,
        title=title,
        caption=caption,
        columns=(
            Column("Claim", numeric=False, prose=True),
            Column("Verdict", numeric=False),
            Column("What decides it", numeric=False, prose=True),
        ),
        rows=tuple(_row(item, ours) for item in found),
        frame=stacked(found, ours),
    )


def _row(item: Finding, ours: Reproduction) -> tuple[Cell, ...]:
    return (
        Cell(item.claim.claim, item.claim.claim, item.claim.where),
        Cell(item.verdict, float(ORDER.index(item.verdict))),
        Cell("\n".join(_evidence(item, ours)), None, item.claim.own and f"In print: {item.claim.own}."),
    )


def _evidence(item: Finding, ours: Reproduction) -> list[str]:
    """Gradients first, then the parts that decide, what is missing only once."""
    lines = [f"{name}'s gradients are masked, as its probe says" for name in item.masked]
    lines += [f"{name}'s readings show signs of masked gradients" for name in item.suspect]
    lines += [f"{name} was not probed for masked gradients" for name in item.unprobed]
    told = [_part(part, ours) for part in item.decisive if not _unknown(part)]
    more = len(told) - SHOWN
    return [*lines, *(told if more <= 1 else [*told[:SHOWN], f"and {more} more"]), *_missing(item, ours)]


def _missing(item: Finding, ours: Reproduction) -> list[str]:
    """What is not known, for each reason all that it is not known of."""
    reasons: dict[str, list[str]] = {}
    for row, why in (lack for part in item.decisive for lack in _unknown(part)):
        reasons.setdefault(why, []).append(_named(row, ours))
    heads = {why: "no variant stands for" if why == NOBODY else f"{why}:" for why in reasons}
    return [f"{MISSING}: {heads[why]} {listing(list(dict.fromkeys(rows)))}" for why, rows in reasons.items()]


def _unknown(part: ClaimPart) -> list[tuple[str, str]]:
    values = [(part.row, part.value), *([] if part.other_value is None else [(part.other or "", part.other_value)])]
    return [(row, value.why) for row, value in values if value.value is None]


def _part(part: ClaimPart, ours: Reproduction) -> str:
    """A part in a line: what was measured, and beside what."""
    line = f"{_named(part.row, ours)} {part.at} {_value(part.value, part)}".strip()
    if part.other_value is not None and part.other == part.row:
        line += f", before {_value(part.other_value, part)}"
    elif part.other_value is not None:
        line += f", {_named(part.other or '', ours)} {_value(part.other_value, part)}"
    elif part.limit is not None:
        line += f"; {'the line is ' + percent(part.limit) if part.share else f'claimed {part.limit:g}'}"
    short = " (attacked for fewer steps than claimed)" if part.outcome == "missing" else ""
    tested = ["no difference"] * part.alike + ([] if part.p_value is None else [chance(part.p_value)])
    return f"{line}{': ' if tested else ''}{', '.join(tested)}{short}"


def _named(row: str, ours: Reproduction) -> str:
    return ours.labels.get(row) or ours.paper.rows.get(row, row)


def _value(value: Value, part: ClaimPart) -> str:
    if not part.share:
        return f"{value.value:.4g}" + (f" ({value.how})" if value.how else "")
    bounds = interval(value.low, value.high)
    return percent(value.value) + (f" ({bounds})" if bounds else "")
