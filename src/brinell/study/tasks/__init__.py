"""Tasks: three types, a module each, which own how they are done, estimated and resumed."""

from brinell.study.tasks.attack import AttackTask
from brinell.study.tasks.plan_tasks import missing, tasks
from brinell.study.tasks.probe import ProbeTask
from brinell.study.tasks.task import BlockedError, Kind, Status, Task, TaskResult
from brinell.study.tasks.variant import VariantTask

__all__ = [
    "AttackTask",
    "BlockedError",
    "Kind",
    "ProbeTask",
    "Status",
    "Task",
    "TaskResult",
    "VariantTask",
    "missing",
    "tasks",
]
