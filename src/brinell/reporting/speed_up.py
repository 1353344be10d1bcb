"""How many times as fast as its baseline a variant runs, and what the page says of it."""

from __future__ import annotations

from typing import Final

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Latency
from brinell.reporting.formats import times

LATENCY_SCHEMA: Final = {
    "variant": pl.String,
    "machine": pl.String,
    "threads": pl.Int64,
    "runtime": pl.String,
    "batch": pl.Int64,
    "median_ms": pl.Float64,
    "low_ms": pl.Float64,
    "high_ms": pl.Float64,
    "runs": pl.Int64,
    "differing": pl.Float64,
}
_PLACE: Final = ("machine", "threads", "batch")
_SAME: Final = 0.05
"""Share of a time that two runs of one network on one machine differ by."""


def latency_frame(evaluation: Evaluation) -> pl.DataFrame:
    """The latency probes' answers: `LATENCY_SCHEMA`, and `speed_up`.

    The speed-up is the median of the baseline's *fastest* runtime, on the same machine with the same threads and batch,
    over the variant's: a slow runtime of the baseline makes no variant fast. Null where the baseline was not measured.
    """
    rows = [
        (found.variant, found.record.machine, found.record.threads, *reading.model_dump().values())
        for found in evaluation.probes.of(Latency)
        for reading in found.record.readings
    ]
    measured = pl.DataFrame(rows, schema=LATENCY_SCHEMA, orient="row")
    baselines = evaluation.variants.select("variant", "baseline")
    fastest = measured.group_by("variant", *_PLACE).agg(pl.col("median_ms").min().alias("baseline_ms"))
    return (
        measured.join(baselines, on="variant", how="left", maintain_order="left")
        .join(fastest.rename({"variant": "baseline"}), on=["baseline", *_PLACE], how="left", maintain_order="left")
        .with_columns((pl.col("baseline_ms") / pl.col("median_ms")).alias("speed_up"))
        .drop("baseline", "baseline_ms")
    )


def fastest_times(evaluation: Evaluation) -> pl.DataFrame:
    """Of each variant its `latency_ms`, an image of the smallest batch that was timed in its fastest runtime."""
    frame = latency_frame(evaluation).filter(pl.col("median_ms") > 0)
    return (
        frame.filter(pl.col("batch") == pl.col("batch").min())
        .with_columns((pl.col("median_ms") / pl.col("batch")).alias("latency_ms"))
        .group_by("variant")
        .agg(pl.col("latency_ms").min())
    )


def smallest_file_speed(evaluation: Evaluation, baseline: str) -> tuple[str, str] | None:
    """The smallest variant of the baseline of this name, and whether it runs faster, to follow its name in a sentence.

    `None` where no variant is smaller, or one of the two was not timed.
    """
    trainings = evaluation.labels_of_names[baseline]
    smaller = evaluation.variants.filter(
        pl.col("baseline").is_in(trainings) & ~pl.col("variant").is_in(trainings) & (pl.col("compression_ratio") > 1)
    )
    if smaller.is_empty():
        return None
    smallest = smaller.sort("encoded_bytes").row(0, named=True)
    timed = latency_frame(evaluation).filter(
        (pl.col("variant") == smallest["variant"]) & pl.col("speed_up").is_not_null()
    )
    if timed.is_empty():
        return None
    # The smallest batch that was timed: what a device does that answers one request at a time.
    found = timed.filter(pl.col("batch") == pl.col("batch").min()).sort("speed_up", descending=True).row(0, named=True)
    images = "for one image" if found["batch"] == 1 else f"in batches of {found['batch']}"
    where = f"{images} ({found['runtime']})"
    if found["speed_up"] > 1 + _SAME:
        says = f"also runs {times(found['speed_up'])} as fast {where}"
    elif found["speed_up"] < 1 - _SAME:
        says = f"runs slower: it takes {times(1 / found['speed_up'])} the time {where}"
    else:
        says = f"runs no faster {where}"
    return smallest["variant"], says
