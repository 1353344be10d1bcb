"""Transfer: adversarials made on one variant, judged on another (robustness paper, section VI.B, table III)."""

from __future__ import annotations

import polars as pl

from brinell.core import StudyPlan

TRANSFER_SCHEMA = {
    "attack": pl.String,
    "source": pl.String,
    "target": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seeds": pl.Int64,
    "examples": pl.Int64,
    "accuracy": pl.Float64,
    "accuracy_low": pl.Float64,
    "accuracy_high": pl.Float64,
    "top5_accuracy": pl.Float64,
    "vulnerability": pl.Float64,
    "top5_vulnerability": pl.Float64,
}
"""One row a pair of networks and a point. `vulnerability` is (A - A*) / A (equation 7); both accuracies are the
target's, on the same examples. Where source and target are one, the attack is white-box."""

_RENAMED = {
    "crafted_on": "source",
    "variant": "target",
    "robust_accuracy": "accuracy",
    "robust_accuracy_low": "accuracy_low",
    "robust_accuracy_high": "accuracy_high",
    "strain": "vulnerability",
    "top5_strain": "top5_vulnerability",
}


def transfers(reruns: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    """Attacks that were judged on another variant than they were made on, and white-box: `TRANSFER_SCHEMA`.

    White-box readings are the attack's own where the plan has them, otherwise those of an attack of the same settings.
    """
    frames = [pl.DataFrame(schema=TRANSFER_SCHEMA)]
    for attack in transferred_attacks(plan):
        own = reruns.filter(pl.col("attack") == attack)
        white = own.filter(pl.col("variant") == pl.col("crafted_on"))
        if white.is_empty():
            own = pl.concat([own, _white_box(reruns, plan, attack, own)])
        renamed = own.rename(_RENAMED).with_columns(attack=pl.lit(attack))
        frames.append(renamed.select(pl.col(name).cast(kind) for name, kind in TRANSFER_SCHEMA.items()))
    return pl.concat(frames)


def transferred_attacks(plan: StudyPlan) -> list[str]:
    """Attacks that are made on one network and judged on another."""
    return list(dict.fromkeys(trial.attack for trial in plan.trials if trial.judged_on != trial.crafted_on))


def _white_box(reruns: pl.DataFrame, plan: StudyPlan, attack: str, crossing: pl.DataFrame) -> pl.DataFrame:
    """Readings at the same points of the first attack whose settings are those of `attack`."""
    spec = next(trial.spec for trial in plan.trials if trial.attack == attack)
    same = (trial.attack for trial in plan.trials if trial.attack != attack and _hyper(trial.spec) == _hyper(spec))
    found = next(same, None)
    if found is None:
        return reruns.clear()
    points = crossing.select("epsilon", "steps").unique()
    white = reruns.filter((pl.col("attack") == found) & (pl.col("variant") == pl.col("crafted_on")))
    return white.join(points, on=["epsilon", "steps"], how="semi", nulls_equal=True)


def _hyper(spec: dict[str, object]) -> dict[str, object]:
    """Settings without the point, which is the reading's."""
    return {name: value for name, value in spec.items() if name not in ("epsilon", "steps")}
