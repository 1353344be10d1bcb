"""A study from its YAML to a run's folder: configuration, plan, tasks, executors."""

from brinell.study.engine import EXECUTORS, Event, Observer, Planned, Run, run, training_examples
from brinell.study.executors import Advance
from brinell.study.left import Left
from brinell.study.plan import plan
from brinell.study.reading import shipped
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.study.tasks import Ending, Kind, Task, missing, tasks

__all__ = [
    "EXECUTORS",
    "Advance",
    "Ending",
    "Event",
    "Kind",
    "Left",
    "Observer",
    "Planned",
    "Run",
    "Splits",
    "Study",
    "Task",
    "missing",
    "plan",
    "run",
    "shipped",
    "tasks",
    "training_examples",
]
