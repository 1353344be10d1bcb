"""Claims of the paper: which hold, which do not, and which hold only because gradients are masked."""

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
    findings_table,
    reproduction,
)
from brinell.reporting.formats import MISSING, chance, interval, listing, percent, pluralize
from brinell.reporting.table import Cell, Column, Table

SHOWN = 6
"""Parts of a claim that a row shows; the file holds them all."""

RULES = (
    f"One network is better than another if p is below {SIGNIFICANCE:g} in McNemar's exact test on their common "
    "examples. For means over seeds, and values that are not shares of the same examples, zero must be outside the "
    "95% interval of the difference (Newcombe). "
    "A network is broken if the whole interval of its accuracy is at or below the breaking line, and not broken "
    "if it is above; otherwise the claim is undecided. A claim of robustness against gradient attacks holds only "
    "by masked gradients if the masking probe finds them masked. A claim does not hold if any part of it does not; "
    "otherwise it is not tested if a part is missing."
)

UNTESTED: Final = "not tested"

ORDER: tuple[Verdict, ...] = ("does not hold", "only by masked gradients", "undecided", "holds", UNTESTED)


def tables(evaluation: Evaluation) -> list[Table]:
    """Tested and untested claims; no table if the study reproduces no paper."""
    ours = reproduction(evaluation)
    if ours is None:
        return []
    found = findings(ours)
    counts = Counter(item.verdict for item in found)
    numbers = ", ".join(f"{verdict} {counts[verdict]}" for verdict in ORDER if counts[verdict])
    head = f"{pluralize(len(found), 'claim')}: {numbers}."
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
        frame=findings_table(found, ours),
    )


def _row(item: Finding, ours: Reproduction) -> tuple[Cell, ...]:
    return (
        Cell(item.claim.claim, item.claim.claim, item.claim.where),
        Cell(item.verdict, float(ORDER.index(item.verdict))),
        Cell("\n".join(_evidence(item, ours)), None, item.claim.own and f"In print: {item.claim.own}."),
    )


def _evidence(item: Finding, ours: Reproduction) -> list[str]:
    """Lines on gradients, then the deciding parts, then missing values."""
    lines = [f"the masking probe finds the gradients of {name} masked" for name in item.masked]
    lines += [f"readings of {name} show signs of masked gradients" for name in item.suspect]
    lines += [f"{name} was not probed for masked gradients" for name in item.unprobed]
    parts = [_part(part, ours) for part in item.decisive if not _unknown(part)]
    more = len(parts) - SHOWN
    return [*lines, *(parts if more <= 1 else [*parts[:SHOWN], f"and {more} more"]), *_missing(item, ours)]


def _missing(item: Finding, ours: Reproduction) -> list[str]:
    """Missing values, grouped by reason."""
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
