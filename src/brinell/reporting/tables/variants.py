"""Accuracy and size: one row a variant, clean and robust accuracy beside what the file costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from brinell.analysis import CLEAN, NO_DIFFERENCE, SIGNIFICANCE, WORST, Evaluation
from brinell.analysis.records.probes import Masking
from brinell.reporting.describe import span, worst_case_over
from brinell.reporting.formats import (
    MISSING,
    chance,
    indistinguishable,
    listing,
    percentage_points,
    quantity,
    radius,
    ratio,
    size,
)
from brinell.reporting.table import Cell, Column, Gauge, Table, number, share
from brinell.reporting.tables.masking import verdict

_BITS_THAT_DO_NOT_SATURATE: Final = 7


def table(evaluation: Evaluation) -> Table:
    """Robust accuracy is the worst case per example at the reference radius; unknown until something is attacked."""
    reference = evaluation.reference_radius
    within = "" if reference is None else radius(reference.epsilon, reference.norm)
    worst = evaluation.at_reference.select(
        "variant", "robust_accuracy", "robust_accuracy_low", "robust_accuracy_high", robust_examples="examples"
    )
    joined = evaluation.variants.join(worst, on="variant", how="left", maintain_order="left")
    columns = (
        Column("Variant", numeric=False),
        Column(
            f"Clean to robust{f', within {within}' if within else ''}", "Hollow: clean. Filled: robust.", numeric=False
        ),
        Column("Clean", "Accuracy without an attack"),
        Column("Robust", f"Worst case per example{f' within {within}' if within else ''}"),
        Column("Robust against baseline", "Percentage points on the same examples", numeric=False),
        Column("Gradients", "Whether they are masked, and the robustness only apparent", numeric=False),
        Column("File", "Bytes of the .brinell file, everything in it"),
        Column("Ratio", "The baseline's dense float32 bytes over the file's"),
        Column("MACs", "Multiply-accumulates an image; under it operations on bits (XNOR and count)"),
    )
    return Table(
        name="variants",
        section="variants",
        title="Accuracy and size",
        caption=_caption(evaluation, joined, within),
        columns=columns,
        rows=tuple(_row(evaluation, row) for row in joined.iter_rows(named=True)),
        frame=joined,
    )


def _caption(evaluation: Evaluation, joined: pl.DataFrame, within: str) -> str:
    clean = span(count for count in joined["examples"] if count)
    text = f"Clean accuracy on {clean} of {evaluation.plan.dataset}."
    if evaluation.reference_radius is not None:
        text += (
            f" Robust: the worst case per example {worst_case_over(evaluation.at_reference)} within {within}, where "
            "the baseline stands nearest to halfway between its clean accuracy and guessing."
        )
    return (
        f"{text} Beside each accuracy its Wilson 95% interval. Comparisons are exact McNemar tests on the same "
        f"examples; p of {SIGNIFICANCE} or more is printed as not distinguishable on so many "
        f"examples.{_integers(evaluation)}"
    )


def _integers(evaluation: Evaluation) -> str:
    """A warning where weights of 8 bits were computed on a processor whose fast instructions saturate."""
    machine = evaluation.environment.get("machine")
    steps = evaluation.notes.items()
    computed = [name for name, made in steps if any(_has_eight_bits(step["figures"]) for step in made)]
    if not computed or not isinstance(machine, Mapping) or machine.get("vnni") is not False:
        return ""
    return (
        f" {listing(computed)} computed with weights of 8 bits on a processor without VNNI: the reference runtime "
        "takes slower instructions there, and in those that other runtimes take, sums of two products saturate at 16 "
        "bits. Weights of 7 bits (reduce_range) do not saturate."
    )


def _has_eight_bits(figures: Mapping[str, Any]) -> bool:
    return "int8_macs" in figures and figures.get("weight_bits") != _BITS_THAT_DO_NOT_SATURATE


def _row(evaluation: Evaluation, row: dict[str, Any]) -> tuple[Cell, ...]:
    what = " · ".join(dict.fromkeys([row["family"], row["architecture"]]))
    if row["state"] != "done":
        what = f"{row['state']}: {row['reason']}"
    clean = share(row["clean_accuracy"], row["clean_accuracy_low"], row["clean_accuracy_high"])
    robust = share(row["robust_accuracy"], row["robust_accuracy_low"], row["robust_accuracy_high"])
    gauge = Gauge(
        row["clean_accuracy"],
        row["robust_accuracy"],
        row["robust_accuracy_low"],
        row["robust_accuracy_high"],
        evaluation.line,
    )
    return (
        Cell(row["variant"], row["variant"], what, variant=row["variant"]),
        Cell("", row["robust_accuracy"], gauge=gauge),
        clean,
        robust,
        _against_baseline(evaluation, row),
        _gradients(evaluation, row["variant"]),
        number(size(row["encoded_bytes"]), row["encoded_bytes"], size),
        number(ratio(row["compression_ratio"]), row["compression_ratio"], ratio),
        Cell(quantity(row["macs"]), row["macs"], _binary(row["xnor_ops"]), write=quantity),
    )


def _binary(operations: int | None) -> str:
    return f"{quantity(operations)} binary" if operations else ""


def _gradients(evaluation: Evaluation, variant: str) -> Cell:
    found = verdict(evaluation, variant)
    probed = any(each.variant == variant for each in evaluation.probes.of(Masking))
    return Cell(MISSING) if found is None else Cell(found, found, "probed" if probed else "by its readings")


def _against_baseline(evaluation: Evaluation, row: dict[str, Any]) -> Cell:
    if row["variant"] == row["baseline"]:
        return Cell("baseline", 0.0)
    reference = evaluation.reference_radius
    found = evaluation.pairs.filter(
        (pl.col("variant") == row["variant"])
        & (
            (pl.col("attack") == CLEAN)
            if reference is None
            else (pl.col("attack") == WORST)
            & (pl.col("norm") == reference.norm)
            & (pl.col("epsilon") == reference.epsilon)
        )
    )
    if reference is None or found.is_empty():
        return Cell(MISSING)
    pair = found.row(0, named=True)
    difference, chances = _written_points(pair["difference"]), chance(pair["p_value"])
    if pair["verdict"] == NO_DIFFERENCE:
        text, note, verdict = indistinguishable(pair["examples"]), f"{difference}, {chances}", "not distinguishable"
    else:
        text, note, verdict = difference, chances, pair["verdict"]
    return Cell(text, pair["difference"], note, write=_written_points, verdict=verdict)


def _written_points(difference: float) -> str:
    return f"{percentage_points(difference)} points"
