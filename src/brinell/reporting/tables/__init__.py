"""The tables of a report, one file each."""

from collections.abc import Callable

from brinell.analysis import Evaluation
from brinell.core.plugins import MemberList
from brinell.reporting.table import Table
from brinell.reporting.tables import (
    attack,
    baseline_comparison,
    breaking_steps,
    compressor_notes,
    corruptions,
    diagnostics,
    findings,
    limits,
    masking,
    material_class,
    network_costs,
    paper,
    requirements,
    top5,
    transfer,
    variants,
    worst_case,
)
from brinell.reporting.tables.costs import compression, coverage, energy, latency, untouched_weights

TABLES: MemberList[Callable[[Evaluation], Table | list[Table]]] = MemberList(
    "brinell.tables",
    variants.table,
    requirements.table,
    limits.tables,
    masking.table,
    findings.tables,
    paper.tables,
    worst_case.table,
    material_class.table,
    breaking_steps.table,
    corruptions.table,
    transfer.tables,
    attack.tables,
    top5.table,
    network_costs.table,
    untouched_weights.table,
    compression.table,
    energy.table,
    latency.table,
    diagnostics.table,
    compressor_notes.table,
    baseline_comparison.table,
    coverage.table,
)
"""What makes each table; another package adds one by `TABLES.register`, or by an entry point `brinell.tables`."""


def tables(evaluation: Evaluation) -> list[Table]:
    """Every table; one without a row has nothing to show.

    Args:
        evaluation: Of the run.

    Returns:
        In the order in which they are registered.
    """
    found: list[Table] = []
    for make in TABLES:
        made = make(evaluation)
        found += [made] if isinstance(made, Table) else made
    return found


__all__ = ["TABLES", "tables"]
