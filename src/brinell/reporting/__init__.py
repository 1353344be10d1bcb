"""The report of a run: one offline page, and every figure and table as files. No torch."""

from brinell.reporting.report import Report, draw, write

__all__ = ["Report", "draw", "write"]
