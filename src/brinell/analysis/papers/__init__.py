"""The papers that studies reproduce: what they print, what they claim, and what a run says beside it."""

from brinell.analysis.papers.beside import BESIDE_SCHEMA, beside
from brinell.analysis.papers.findings import FINDING_SCHEMA, Finding, Verdict, findings, stacked
from brinell.analysis.papers.ours import NOBODY, Reproduction, Value, reproduction, unread
from brinell.analysis.papers.printed import Paper, paper, papers
from brinell.analysis.papers.rules import Part

__all__ = [
    "BESIDE_SCHEMA",
    "FINDING_SCHEMA",
    "NOBODY",
    "Finding",
    "Paper",
    "Part",
    "Reproduction",
    "Value",
    "Verdict",
    "beside",
    "findings",
    "paper",
    "papers",
    "reproduction",
    "stacked",
    "unread",
]
