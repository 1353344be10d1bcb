"""Security curves: accuracy against distance, from attacks that look for the nearest adversarial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from brinell.analysis.robustness.worst_case import nearest

POINTS = 60
"""Distances at which a curve is read."""

REACH = 0.95
"""Quantile of the broken examples' distances at which an attack's curves end."""

SECURITY_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "distance": pl.Float64,
    "accuracy": pl.Float64,
    "median": pl.Float64,
    "examples": pl.Int64,
    "runs": pl.Int64,
}
"""`accuracy` is the share of examples that the attack did not break within `distance`, mean over `runs` (seeds);
`median` the distance at which half of all are broken, null where they are not."""


@dataclass(frozen=True)
class Distances:
    """How far one trial had to go for each of its examples: infinity: it broke none; 0: wrong before."""

    variant: str
    attack: str
    norm: str
    values: np.ndarray


def distances(rows: pl.DataFrame, variant: str, attack: str, norm: str) -> Iterator[Distances]:
    """Those of a trial that was read without a radius; nothing of others, nor of a norm whose distance no row holds."""
    free = rows.filter(pl.col("epsilon").is_null())
    if len(free) and norm in ("linf", "l2", "l1"):
        values = nearest(free)[norm].fill_null(float("inf")).to_numpy()
        yield Distances(variant, attack, norm, np.sort(values))


def security(found: Iterable[Distances]) -> pl.DataFrame:
    """A curve for each attack and variant; those of one attack are read at the same distances: `SECURITY_SCHEMA`."""
    by_attack: dict[tuple[str, str], dict[str, list[np.ndarray]]] = {}
    for item in found:
        by_attack.setdefault((item.attack, item.norm), {}).setdefault(item.variant, []).append(item.values)
    rows: list[tuple[object, ...]] = []
    for (attack, norm), variants in by_attack.items():
        grid = _grid([values for runs in variants.values() for values in runs])
        for variant, runs in variants.items():
            shares = np.mean([1 - np.searchsorted(run, grid, side="right") / len(run) for run in runs], axis=0)
            middle = float(np.median(np.concatenate(runs)))
            known = (middle if np.isfinite(middle) else None, min(map(len, runs)), len(runs))
            rows += [
                (variant, attack, norm, *pair, *known) for pair in zip(grid.tolist(), shares.tolist(), strict=True)
            ]
    return pl.DataFrame(rows, schema=SECURITY_SCHEMA, orient="row")


def _grid(runs: list[np.ndarray]) -> np.ndarray:
    """From 0 to where most of what any run broke is broken."""
    broken = [run[np.isfinite(run) & (run > 0)] for run in runs]
    ends = [float(np.quantile(run, REACH)) for run in broken if len(run)]
    return np.linspace(0.0, max(ends, default=1.0), POINTS)
