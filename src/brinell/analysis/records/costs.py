"""What a variant costs, as its `costs.json` says; what is unknown stays unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

PACKERS = ("deflate", "xz", "zstd", "brotli", "zpaq")
"""General-purpose compressors that a variant's own dense float32 file was given to, where they were installed."""

ALWAYS = ("encoded_bytes", "dense_bytes", "parameters", "macs")
"""What every record of costs holds."""

COST_SCHEMA = {
    "encoded_bytes": pl.Int64,
    "dense_bytes": pl.Int64,
    "nominal_bytes": pl.Int64,
    "entropy_bytes": pl.Int64,
    **{f"{packer}_bytes": pl.Int64 for packer in PACKERS},
    "compression_ratio": pl.Float64,
    "parameters": pl.Int64,
    "weights": pl.Int64,
    "nonzero": pl.Int64,
    "memory_mb": pl.Float64,
    "macs": pl.Int64,
    "xnor_ops": pl.Int64,
    "ncc": pl.Float64,
}
"""`compression_ratio` is the baseline's dense float32 bytes over this variant's file, everything in it. `nominal_bytes`
are those that the compressor's own arithmetic promises, `entropy_bytes` what their zero-order entropy does."""


def costs(own: Mapping[str, Any] | None, baseline: Mapping[str, Any] | None) -> dict[str, int | float | None]:
    """The columns of `COST_SCHEMA` from a variant's record and its baseline's (its own where that one is unknown)."""
    packed = (own or {}).get("general_purpose")
    packers = packed if isinstance(packed, Mapping) else {}
    own = {**(own or {}), **{f"{packer}_bytes": packers.get(packer) for packer in PACKERS}}
    found = {name: number(own.get(name), whole=kind == pl.Int64) for name, kind in COST_SCHEMA.items()}
    dense = number((baseline or {}).get("dense_bytes")) or found["dense_bytes"]
    encoded = found["encoded_bytes"]
    found["dense_bytes"] = None if dense is None else round(dense)
    found["compression_ratio"] = dense / encoded if dense and encoded else None
    return found


def number(value: object, *, whole: bool = False) -> int | float | None:
    """A finite number that is not negative; anything else is unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return round(value) if whole else value
