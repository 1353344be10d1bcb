"""What a sign of masked gradients says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brinell.reporting.formats import percent, radius


def evidence(row: Mapping[str, Any]) -> str:
    """A row of `SIGN_SCHEMA` as part of a sentence."""
    value = percent(float(row["value"]))
    if row["sign"] == "zero gradients":
        return f"{value} of its input gradients under {row['attack']} are exactly zero"
    if row["sign"] == "infinite gradients":
        return f"{value} of its input gradients under {row['attack']} are infinite or undefined in places"
    at = radius(row["epsilon"], str(row["norm"]))
    other = percent(float(row["other_value"]))
    if row["sign"] == "one step beats many":
        many = f"{row['steps']} steps of {row['attack']}"
        return f"the single step of {row['other_attack']} leaves {other} at {at}, {many} {value}"
    before = radius(row["other_epsilon"], str(row["norm"]))
    return f"under {row['attack']} accuracy rises from {other} at {before} to {value} at {at}"
