"""The tables of a report, one file each."""

from brinell.analysis import Evaluation
from brinell.reporting.table import Table
from brinell.reporting.tables import attack, comparison, coverage, variants


def tables(evaluation: Evaluation) -> dict[str, list[Table]]:
    """Tables by the section of the page that they belong to."""
    return {
        "variants": [variants.table(evaluation)],
        "attacks": [attack.table(evaluation, name) for name in evaluation.stresses],
        "comparison": [comparison.table(evaluation)],
        "coverage": [coverage.table(evaluation)],
    }


__all__ = ["tables"]
