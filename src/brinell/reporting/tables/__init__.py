"""The tables of a report, one file each."""

from brinell.analysis import Evaluation
from brinell.reporting.table import Table
from brinell.reporting.tables import (
    attack,
    breaking_steps,
    character,
    comparison,
    compression,
    compressor_notes,
    computation,
    coverage,
    energy,
    findings,
    latency,
    masking,
    models,
    paper,
    top5,
    transfer,
    variants,
    worst_case,
)


def tables(evaluation: Evaluation) -> dict[str, list[Table]]:
    """Tables by the section of the page that they belong to; those without a row have nothing to show there."""
    claims = findings.tables(evaluation)
    return {
        "variants": [variants.table(evaluation)],
        "character": [character.table(evaluation)],
        "steps": [breaking_steps.table(evaluation)],
        "worst": [worst_case.table(evaluation)],
        "masking": [masking.table(evaluation)],
        "transfer": transfer.tables(evaluation),
        "attacks": [attack.table(evaluation, name) for name in evaluation.stresses],
        "top": [top5.table(evaluation)],
        "models": [models.table(evaluation), compression.table(evaluation)],
        "energy": [energy.table(evaluation)],
        "times": [latency.table(evaluation)],
        "computation": [computation.table(evaluation)],
        "notes": [compressor_notes.table(evaluation)],
        "findings": claims[:1],
        "untested": claims[1:],
        "paper": paper.tables(evaluation),
        "comparison": [comparison.table(evaluation)],
        "coverage": [coverage.table(evaluation)],
    }


__all__ = ["tables"]
