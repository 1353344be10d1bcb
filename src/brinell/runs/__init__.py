"""Run a study from Python as the command line does: with progress, and a report at the end."""

from brinell.runs.api import run
from brinell.runs.archive_api import archive, restore
from brinell.runs.limit_api import limit
from brinell.runs.progress_display import ProgressDisplay
from brinell.runs.publish_api import publish

__all__ = ["ProgressDisplay", "archive", "limit", "publish", "restore", "run"]
