"""The report of a run: one offline page, and every figure and table as files. No torch."""

from brinell.reporting.report import write

__all__ = ["write"]
