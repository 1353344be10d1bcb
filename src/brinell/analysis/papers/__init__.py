"""The papers that studies reproduce: what they print, what they claim, and what a run says beside it."""

from brinell.analysis.papers.claims import ClaimPart
from brinell.analysis.papers.comparison import BESIDE_SCHEMA, comparison
from brinell.analysis.papers.findings import FINDING_SCHEMA, Finding, Verdict, findings, findings_table
from brinell.analysis.papers.published import Paper, paper, papers
from brinell.analysis.papers.reproduction import NOBODY, Reproduction, Value, reproduction, unknown_references

__all__ = [
    "BESIDE_SCHEMA",
    "FINDING_SCHEMA",
    "NOBODY",
    "ClaimPart",
    "Finding",
    "Paper",
    "Reproduction",
    "Value",
    "Verdict",
    "comparison",
    "findings",
    "findings_table",
    "paper",
    "papers",
    "reproduction",
    "unknown_references",
]
