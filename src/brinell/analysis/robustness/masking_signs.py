"""Signs that robustness is only apparent: what the readings alone give away about masked gradients."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from brinell.core import ZERO_GRADIENT_SHARE

ZERO_GRADIENTS = ZERO_GRADIENT_SHARE
"""Share of exactly zero input gradients from which they are a sign."""

MANY_STEPS = 10
"""Steps from which an attack should beat a single one: fewer small steps may not reach the edge of the ball at all."""

SIGN_SCHEMA = {
    "variant": pl.String,
    "sign": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "value": pl.Float64,
    "other_attack": pl.String,
    "other_epsilon": pl.Float64,
    "other_steps": pl.Int32,
    "other_value": pl.Float64,
}
"""`sign` is `zero gradients` (`value`: their share), `infinite gradients` (`value`: the share with infinite or
undefined numbers), `rises with epsilon` (`value`: accuracy there; `other_value`: the lower one at a smaller epsilon) or
`one step beats many` (`value`: accuracy under many; `other_value`: under one)."""

Reading = dict[str, object]


def masking_signs(reruns: pl.DataFrame, line: float) -> pl.DataFrame:
    """The worst instance of each sign of each variant.

    Two accuracies differ where their intervals do not meet. One that is not clearly above the breaking `line` claims no
    robustness, so that nothing speaks against it: long single steps overshoot, and guess. Only attacks that took a
    gradient speak of gradients: many queries of a search through scores may well do less than one step along it.
    """
    found: list[tuple[object, ...]] = []
    own = (pl.col("crafted_on") == pl.col("variant")) & (pl.col("backwards").is_null() | (pl.col("backwards") > 0))
    for (_,), frame in reruns.filter(own).group_by("variant", maintain_order=True):
        for sign in (_zero_gradients(frame), _rises(frame, line), _one_beats_many(frame, line)):
            found.extend(sign)
    return pl.DataFrame(found, schema=SIGN_SCHEMA, orient="row")


def _zero_gradients(frame: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    blind = frame.filter(pl.col("zero_gradient_share") >= ZERO_GRADIENTS)
    if len(blind):
        worst = blind.sort("zero_gradient_share", descending=True, maintain_order=True).row(0, named=True)
        yield _sign("zero gradients", worst, "zero_gradient_share", None)


def _rises(frame: pl.DataFrame, line: float) -> Iterator[tuple[object, ...]]:
    pairs = frame.join(frame, on=["attack", "norm", "steps"], suffix="_other", maintain_order="left_right").filter(
        pl.col("epsilon") > pl.col("epsilon_other")
    )
    yield from _higher("rises with epsilon", pairs, line)


def _one_beats_many(frame: pl.DataFrame, line: float) -> Iterator[tuple[object, ...]]:
    pairs = frame.join(frame, on=["norm", "epsilon"], suffix="_other", maintain_order="left_right").filter(
        (pl.col("steps") >= MANY_STEPS) & (pl.col("steps_other") == 1)
    )
    yield from _higher("one step beats many", pairs, line)


def _higher(sign: str, pairs: pl.DataFrame, line: float) -> Iterator[tuple[object, ...]]:
    """The pair whose first accuracy exceeds the other most, of those that differ."""
    low = pl.col("robust_accuracy_low")
    differ = pairs.filter((low > pl.col("robust_accuracy_high_other")) & (low > line))
    if len(differ):
        excess = pl.col("robust_accuracy") - pl.col("robust_accuracy_other")
        row = differ.sort(excess, descending=True, maintain_order=True).row(0, named=True)
        other = {name.removesuffix("_other"): value for name, value in row.items() if name.endswith("_other")}
        yield _sign(sign, row, "robust_accuracy", {**other, "norm": row["norm"], **_shared(sign, row)})


def _shared(sign: str, row: Reading) -> Reading:
    if sign == "rises with epsilon":
        return {"attack": row["attack"], "steps": row["steps"]}
    return {"epsilon": row["epsilon"]}


def _sign(sign: str, row: Reading, value: str, other: Reading | None) -> tuple[object, ...]:
    own = (row["variant"], sign, row["attack"], row["norm"], row["epsilon"], row["steps"], row[value])
    if other is None:
        return (*own, None, None, None, None)
    return (*own, other["attack"], other["epsilon"], other["steps"], other[value])
