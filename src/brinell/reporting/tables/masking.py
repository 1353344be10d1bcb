"""Verdict on masked gradients for each variant, with evidence."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Masking
from brinell.reporting.formats import MISSING, pluralize, radius
from brinell.reporting.masking_text import evidence
from brinell.reporting.table import Cell, Column, Table

MASKED, SUSPECT, HONEST = "masked", "may be masked", "no sign"

EVIDENCE_SCHEMA = {
    "variant": pl.String,
    "source": pl.String,
    "check": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "suspicious": pl.Boolean,
    "says": pl.String,
}


def verdict(evaluation: Evaluation, variant: str) -> str | None:
    """The verdict in short; `None` if the variant was not probed."""
    probed = {found.variant: found.record for found in evaluation.probes.of(Masking)}
    if variant in probed and probed[variant].masked:
        return MASKED
    if variant in evaluation.suspects:
        return SUSPECT
    attacked = variant in evaluation.readings["variant"]
    return HONEST if attacked or variant in probed else None


def table(evaluation: Evaluation) -> Table:
    """One row a variant: the probe's verdict and its checks, and what the readings themselves give away."""
    probed = {found.variant: found.record for found in evaluation.probes.of(Masking)}
    signs = evaluation.masking_signs.partition_by("variant", as_dict=True)
    rows = []
    for variant in evaluation.variants["variant"]:
        said = [evidence(row) for row in signs[(variant,)].iter_rows(named=True)] if (variant,) in signs else []
        found = verdict(evaluation, variant)
        rows.append(
            (
                Cell(variant, variant, variant=variant),
                Cell(MISSING) if found is None else Cell(found, found),
                _checks(probed.get(variant)),
                Cell("\n".join(said) if said else "nothing" if found else MISSING, len(said)),
            )
        )
    return Table(
        name="masking",
        section="masking",
        title="Is the robustness real?",
        caption="The probe compares gradient attacks with attacks that do not need the network's own gradient. "
        "Signs in the readings: gradients that are exactly zero, infinite or undefined, accuracy that rises with the "
        "radius, one step stronger than many. A network with masked gradients is not robust; adversarial examples "
        "exist, but its gradients do not lead to them. A variant with such a sign cannot be the best trade-off.",
        columns=(
            Column("Variant", numeric=False),
            Column("Verdict", numeric=False),
            Column("The probe's checks", numeric=False, prose=True),
            Column("The readings", numeric=False, prose=True),
        ),
        rows=tuple(rows),
        frame=_frame(evaluation),
    )


def _checks(record: Masking | None) -> Cell:
    if record is None:
        return Cell(MISSING, note="not probed")
    shown = [item.says for item in record.evidence if item.suspicious] or [
        f"none of {len(record.evidence)} is suspicious"
    ]
    where = f"{pluralize(record.examples, 'example')} within {radius(record.epsilon)}"
    return Cell("\n".join(shown), sum(item.suspicious for item in record.evidence), where)


def _frame(evaluation: Evaluation) -> pl.DataFrame:
    """Every check of either, suspicious or not."""
    rows: list[tuple[Any, ...]] = [
        (found.variant, "probe", item.check, item.value, item.threshold, item.suspicious, item.says)
        for found in evaluation.probes.of(Masking)
        for item in found.record.evidence
    ]
    rows += [
        (row["variant"], "readings", row["sign"], row["value"], None, True, evidence(row))
        for row in evaluation.masking_signs.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=EVIDENCE_SCHEMA, orient="row")
