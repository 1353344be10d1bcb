"""Where each family of a search breaks: between the largest ratio that keeps the conditions and the next one."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from brinell.analysis.requirements import MET

LIMIT_BREAKING_SCHEMA = {
    "limit": pl.String,
    "family": pl.String,
    "conditions": pl.String,
    "kept_ratio": pl.Float64,
    "broken_ratio": pl.Float64,
}
"""One row a family and kind of conditions (`clean`, or `all`). The breaking point lies between the two ratios: the
largest of a network that keeps the conditions, and the smallest above it of one that does not or cannot be decided;
null where there is none."""
CLEAN_CONDITIONS: Final = "clean"
ALL_CONDITIONS: Final = "all"


def limit_breaking(results: pl.DataFrame) -> pl.DataFrame:
    """`LIMIT_BREAKING_SCHEMA` of results in `LIMIT_SCHEMA`; what was confirmed counts by its last verdict."""
    rows: list[dict[str, Any]] = []
    judged = results.with_columns(final=pl.coalesce("verdict", "screening_verdict"))
    for (limit, family), own in judged.group_by("limit", "family", maintain_order=True):
        for conditions, column in ((CLEAN_CONDITIONS, "clean_verdict"), (ALL_CONDITIONS, "final")):
            known = own.filter(pl.col("ratio").is_not_null())
            kept = known.filter(pl.col(column) == MET)["ratio"].max()
            above = known.filter((pl.col(column) != MET) & (pl.col("ratio") > (0.0 if kept is None else kept)))
            rows.append(
                {
                    "limit": limit,
                    "family": family,
                    "conditions": conditions,
                    "kept_ratio": kept,
                    "broken_ratio": above["ratio"].min(),
                }
            )
    return pl.DataFrame(rows, schema=LIMIT_BREAKING_SCHEMA, orient="row", infer_schema_length=None)
