"""How trials were computed: forms of the networks, and what was odd about their gradients, from the rows' footers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from brinell.analysis.robustness.masking_signs import SIGN_SCHEMA
from brinell.core import PlannedTrial

COMPUTATION_SCHEMA: dict[str, Any] = {
    "variant": pl.String,
    "attack": pl.String,
    "crafted_on": pl.String,
    "forms": pl.List(pl.String),
    "rejected": pl.List(pl.String),
    "gradients": pl.Int64,
    "zero_gradients": pl.Int64,
    "infinite_gradients": pl.Int64,
    "remarks": pl.List(pl.String),
}
"""One row a trial whose rows say it. `forms` are `role: form`; `rejected` says which faster forms were not the same
function; of the input `gradients`, how many were exactly zero, and how many infinite or undefined in places."""


@dataclass(frozen=True)
class _Footer:
    """What one file of rows says."""

    forms: tuple[str, ...]
    rejected: tuple[str, ...]
    remarks: tuple[str, ...]
    counts: tuple[int, ...]


def diagnostics(footers: Iterable[Mapping[str, Any]], trial: PlannedTrial, labels: Mapping[str, str]) -> pl.DataFrame:
    """`COMPUTATION_SCHEMA` of one trial by the footers of its blocks: a row, or none where they do not say it."""
    records = [footer.get("computation") for footer in footers]
    found = [_read(record) for record in records if isinstance(record, Mapping)]
    if not found:
        return pl.DataFrame(schema=COMPUTATION_SCHEMA)
    row = (
        labels[trial.judged_on],
        trial.attack,
        labels[trial.crafted_on],
        _together(footer.forms for footer in found),
        _together(footer.rejected for footer in found),
        *(sum(counts) for counts in zip(*(footer.counts for footer in found), strict=True)),
        _together(footer.remarks for footer in found),
    )
    return pl.DataFrame([row], schema=COMPUTATION_SCHEMA, orient="row")


def infinite_gradients(computations: pl.DataFrame) -> pl.DataFrame:
    """`SIGN_SCHEMA`: of each variant the attack on it that met most gradients with infinite or undefined numbers."""
    share = pl.col("infinite_gradients") / pl.col("gradients")
    own = computations.filter((pl.col("crafted_on") == pl.col("variant")) & (pl.col("infinite_gradients") > 0))
    worst = own.sort(share, descending=True, maintain_order=True).unique("variant", keep="first", maintain_order=True)
    known = worst.select("variant", "attack", sign=pl.lit("infinite gradients"), value=share)
    empty = pl.DataFrame(schema=SIGN_SCHEMA)
    return pl.concat([empty, known.cast({"value": pl.Float64})], how="diagonal").select(empty.columns)


def _read(record: Mapping[str, Any]) -> _Footer:
    """What the record holds of what it should; a stranger may have written it."""
    forms = record.get("forms")
    named = forms.items() if isinstance(forms, Mapping) else ()
    counts = tuple(_count(record.get(name)) for name in ("gradients", "zero_gradients", "infinite_gradients"))
    return _Footer(
        tuple(f"{role}: {form}" for role, form in named),
        _texts(record.get("rejected")),
        _texts(record.get("remarks")),
        counts,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _together(texts: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(text for part in texts for text in part))
