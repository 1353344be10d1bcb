"""A study from its YAML to a run's folder: configuration, plan, tasks, executors."""

from brinell.study.engine import EXECUTORS, Event, Observer, Planned, Run, run
from brinell.study.executors import Advance
from brinell.study.plan import plan
from brinell.study.reading import shipped
from brinell.study.study import Study
from brinell.study.tasks import Ending, Task, missing

__all__ = [
    "EXECUTORS",
    "Advance",
    "Ending",
    "Event",
    "Observer",
    "Planned",
    "Run",
    "Study",
    "Task",
    "missing",
    "plan",
    "run",
    "shipped",
]
