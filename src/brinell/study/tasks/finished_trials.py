"""While a study runs, the files of each trial that is finished are merged into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from brinell.core import PlannedTrial, StudyPlan
from brinell.store import RunStore
from brinell.store.merged_tables import merge_trial
from brinell.study.tasks.attack import AttackTask
from brinell.study.tasks.task import Task, TaskResult


class FinishedTrials:
    """Merges each trial when its last task has ended; only the run's one writer may."""

    def __init__(self, store: RunStore, plan: StudyPlan, left: Iterable[Task]) -> None:
        self._store = store
        self._waiting = Counter(trial.key for task in left if isinstance(task, AttackTask) for trial in task.trials)
        self._trials: dict[str, list[PlannedTrial]] = {}
        for trial in plan.trials:
            self._trials.setdefault(trial.key, []).append(trial)

    def merge_earlier(self) -> None:
        """Merge what an earlier run has finished, and was killed before it merged it."""
        for key in self._trials:
            if not self._waiting[key]:
                self._merge(key)

    def end(self, ending: TaskResult) -> None:
        """A task has ended, whatever its status."""
        if isinstance(ending.task, AttackTask):
            for trial in ending.task.trials:
                self._waiting[trial.key] -= 1
                if not self._waiting[trial.key]:
                    self._merge(trial.key)

    def _merge(self, key: str) -> None:
        """Attacks of different numbers of examples may share a trial."""
        blocks = {block.name: block for trial in self._trials[key] for block in trial.blocks}
        merge_trial(self._store.root, key, list(blocks))
