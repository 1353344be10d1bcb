"""Run a study from Python as the command line does: with progress, and a report at the end."""

from brinell.runs.limit import limit
from brinell.runs.progress_display import ProgressDisplay
from brinell.runs.run import run

__all__ = ["ProgressDisplay", "limit", "run"]
