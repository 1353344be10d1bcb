"""All rows of a run as one frame: one row an example at one reading, with the names of what it belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from brinell.analysis.collect import norm_of
from brinell.analysis.labels import labels
from brinell.analysis.rows import conform, read_rows
from brinell.core import ROW_SCHEMA
from brinell.store import RunStore


def load_rows(run: str | os.PathLike[str], *, variant: str | None = None, attack: str | None = None) -> pl.DataFrame:
    """Every row that a run has measured, for analyses of one's own; needs no torch.

    Args:
        run: The run's folder, or what `brinell.run` returned.
        variant: Only rows that were judged on this variant, by its name.
        attack: Only rows of this attack, by its name in the study; `clean` for predictions without an attack.

    Returns:
        The columns `variant` and `crafted_on` (names), `variant_seed`, `attack`, `kind`, `seed` (the attack's) and
        `norm`, and those of `brinell.core.ROW_SCHEMA`: `example_id`, `label`, `epsilon` and `steps` (the point),
        `prediction`, `rank` (0: classified correctly), distances, costs. Of what is not measured yet, or cannot be
        read, there are no rows.

    Raises:
        StoreError: `run` is no run's folder.

    Examples:
        >>> import brinell
        >>> try:
        ...     brinell.analysis.load_rows("no such run")
        ... except brinell.core.StoreError as error:
        ...     print(str(error)[:42])
        no such run is not a run's folder (it hold
    """
    store = RunStore.open(Path(run))
    plan = store.plan()
    names, known = labels(plan), {each.key: each for each in plan.variants}
    frames = [_named(conform(pl.DataFrame(), ROW_SCHEMA), "", "", 0, "", "", 0, "")]
    for trial in plan.trials:
        judged, crafted = known.get(trial.judged_on), known.get(trial.crafted_on)
        if judged is None or crafted is None:
            continue
        if variant not in (None, judged.name, names[judged.key]) or attack not in (None, trial.attack):
            continue
        rows = read_rows(store, trial, plan.classes).frame
        frames.append(
            _named(
                rows,
                names[judged.key],
                names[crafted.key],
                judged.seed,
                trial.attack,
                trial.kind,
                trial.seed,
                norm_of(trial),
            )
        )
    return pl.concat(frames)


def _named(
    rows: pl.DataFrame, variant: str, crafted_on: str, variant_seed: int, attack: str, kind: str, seed: int, norm: str
) -> pl.DataFrame:
    return rows.select(
        pl.lit(variant).alias("variant"),
        pl.lit(crafted_on).alias("crafted_on"),
        pl.lit(variant_seed, dtype=pl.Int64).alias("variant_seed"),
        pl.lit(attack).alias("attack"),
        pl.lit(kind).alias("kind"),
        pl.lit(seed, dtype=pl.Int64).alias("seed"),
        pl.lit(norm).alias("norm"),
        *rows.columns,
    )
