"""A study from its YAML to a run's folder: configuration, plan, tasks, executors."""

from brinell.study.executors.executor import TaskProgress
from brinell.study.limit_config import limit_config
from brinell.study.networks import check_code_is_trusted
from brinell.study.pass_time import measured_seconds
from brinell.study.plan import plan
from brinell.study.reading import shipped
from brinell.study.runner import EXECUTORS, Event, Observer, Run, RunStarted, run, training_examples
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.study.tasks import AttackTask, Kind, ProbeTask, Task, TaskResult, VariantTask, missing, tasks
from brinell.study.time_remaining import TimeRemaining

__all__ = [
    "EXECUTORS",
    "AttackTask",
    "Event",
    "Kind",
    "Observer",
    "ProbeTask",
    "Run",
    "RunStarted",
    "Splits",
    "Study",
    "Task",
    "TaskProgress",
    "TaskResult",
    "TimeRemaining",
    "VariantTask",
    "check_code_is_trusted",
    "limit_config",
    "measured_seconds",
    "missing",
    "plan",
    "run",
    "shipped",
    "tasks",
    "training_examples",
]
