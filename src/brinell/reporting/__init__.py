"""The report of a run: one offline page, and every figure and table as files. No torch."""

from brinell.reporting.report import WrittenReport, write, write_with_problems

__all__ = ["WrittenReport", "write", "write_with_problems"]
