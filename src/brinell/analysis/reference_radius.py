"""The radius at which variants are compared where one number each must do."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class ReferenceRadius:
    """A norm, a radius, and the attacks that read variants there."""

    norm: str
    epsilon: float
    attacks: tuple[str, ...]


def reference_radius(
    worst: pl.DataFrame, readings: pl.DataFrame, variants: pl.DataFrame, line: float
) -> ReferenceRadius | None:
    """Where the baselines stand nearest to halfway between their clean accuracy and the breaking line.

    There a difference has room on both sides. Only radii that an attack of several steps has read come into question,
    where there is one, and those of linf before others; of equals the smaller radius. Where no baseline is measured,
    all variants decide.
    """
    known = worst.filter((pl.col("examples") > 0) & (pl.col("epsilon") > 0))
    several = known.join(readings.filter(pl.col("steps") > 1), on=["norm", "epsilon"], how="semi")
    known = known if several.is_empty() else several
    if known.is_empty():
        return None
    norm = "linf" if (known["norm"] == "linf").any() else str(known["norm"][0])
    known = known.filter(pl.col("norm") == norm)
    joined = known.join(variants.select("variant", "baseline", "clean_accuracy"), on="variant", maintain_order="left")
    baselines = joined.filter(pl.col("variant") == pl.col("baseline"))
    halfway = (pl.col("clean_accuracy").fill_null(1.0) + line) / 2
    distance = (pl.col("robust_accuracy") - halfway).abs().mean()
    deciding = joined if baselines.is_empty() else baselines
    nearest = deciding.group_by("epsilon", maintain_order=True).agg(distance=distance)
    epsilon = float(nearest.sort("distance", "epsilon")["epsilon"][0])
    attacks = known.filter(pl.col("epsilon") == epsilon)["attacks"].explode().unique(maintain_order=True)
    return ReferenceRadius(norm, epsilon, tuple(attacks.to_list()))
