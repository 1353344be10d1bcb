"""`run`: plan a study, compute what its folder lacks, and say what came of it. Running it again resumes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from brinell.analysis.labels import file_names
from brinell.core import ConfigurationError, StudyPlan, html_table
from brinell.core.interruption import keep_interrupts
from brinell.core.records import REMARKS
from brinell.store import RunStore, mirrored, name_variant, name_variants
from brinell.study.environment import cores, environment
from brinell.study.executors.executor import Executor, Serial, TaskProgress
from brinell.study.executors.processes import Processes
from brinell.study.executors.ray_cluster import Ray
from brinell.study.limit_search import check_limits, search_limits
from brinell.study.networks import check_code_is_trusted
from brinell.study.normalization_remarks import normalization_remarks
from brinell.study.plan import plan
from brinell.study.schedule import execute, without_failed
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.study.tasks import Status, Task, TaskResult, missing, tasks
from brinell.study.tasks.finished_trials import FinishedTrials
from brinell.study.time_remaining import TimeRemaining
from brinell.study.worker_context import WorkerContext
from brinell.training import process_group

EXECUTORS: Final = ("serial", "processes", "ray")
_NOTED_EVERY: Final = 2.0
"""Seconds between two words on the time that is left."""
_MOST_THREADS: Final = 8
"""Threads that a worker gets by itself: waiting for each other costs small networks more than further cores give."""


@dataclass(frozen=True)
class RunStarted:
    """The first event of a run: its folder, the plan, how many tasks that is, and those of them that are left."""

    root: Path
    plan: StudyPlan
    everything: int
    left: tuple[Task, ...]
    damaged: tuple[str, ...] = ()
    """Files and folders of the run that are left out because they are damaged or foreign, and made again."""
    remarks: tuple[str, ...] = ()
    """What in the study is probably not meant, in sentences; it runs as it is."""


Event = RunStarted | TaskProgress | TaskResult
Observer = Callable[[Event], None]
"""Told everything that happens, from one thread; must be quick."""


@dataclass(frozen=True, repr=False)
class Run(os.PathLike[str]):
    """A run's folder, and how the tasks ended that this call began with."""

    root: Path
    plan: StudyPlan
    endings: tuple[TaskResult, ...] = ()
    report: Path | None = None
    """The page, where it was written."""

    def __fspath__(self) -> str:
        return str(self.root)

    def __repr__(self) -> str:
        """The folder, the study's extent and how the tasks ended, in one line."""
        return f"Run({', '.join(f'{name}: {value}' for name, value in self._figures().items())})"

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        return html_table(self._figures())

    def _figures(self) -> dict[str, str]:
        ended = Counter(ending.status for ending in self.endings)
        return {
            "folder": str(self.root),
            "study": self.plan.name,
            "variants": f"{len(self.plan.variants)}",
            "trials": f"{len(self.plan.trials)}",
            "tasks of this call": ", ".join(f"{count} {status}" for status, count in sorted(ended.items())) or "none",
        }

    def ended(self, status: Status) -> tuple[TaskResult, ...]:
        """The tasks that ended so."""
        return tuple(ending for ending in self.endings if ending.status == status)


def run(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    executor: Literal["serial", "processes", "ray"] = "serial",
    workers: int | None = None,
    threads: int | None = None,
    overrides: Iterable[str] = (),
    observe: Observer | None = None,
    trust_code: bool = True,
    mirror: str | None = None,
) -> Run:
    """Compute what the folder `out` lacks of `study`, without showing or reporting anything.

    As `brinell.run`, which adds progress and the report.

    Args:
        study: A study, or its file or name.
        out: The folder of the run, `runs/<name>` by default.
        executor: What computes the tasks.
        workers: Of the executor, as many as there are cores by default.
        threads: Of each worker.
        overrides: Changes of the file, `PATH=VALUE`.
        observe: Called with every event.
        trust_code: Whether code that the study names may run.
        mirror: URL to which finished files are copied, and from which a run goes on.

    Returns:
        What was done.

    Examples:
        >>> run("quickstart", overrides=["seeds.variants=[]"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        brinell.core.errors.ConfigurationError: ...
    """
    value = study if isinstance(study, Study) else Study.from_yaml(study, overrides)
    check_code_is_trusted(value, trust_code)
    workers, threads = _share(executor, workers, threads)
    store = RunStore(Path("runs") / value.name if out is None else Path(out))
    store.check_own()
    splits = Splits(value.data)
    planned = plan(value, splits)
    check_limits(value, splits)
    with store.lock(), keep_interrupts() as raise_lost_interrupt, mirrored(store.root, mirror) as copy_finished:
        observer = _calling(observe or _silent, raise_lost_interrupt, copy_finished)
        computing = _Computing(value.source, store, splits, executor, workers, threads, observer)
        if value.limits:
            planned = search_limits(value, splits, store, computing.compute)
        else:
            computing.compute(value, planned)
    return Run(store.root, planned, tuple(computing.endings.values()))


@dataclass
class _Computing:
    """Computes plans in one folder, one after the other; of a task of several plans the last ending counts."""

    source: str
    store: RunStore
    splits: Splits
    executor: str
    workers: int
    threads: int
    observe: Observer
    endings: dict[str, TaskResult] = field(default_factory=dict)

    def compute(self, study: Study, planned: StudyPlan) -> None:
        """Write the plan, and compute what the folder lacks of it."""
        store, splits = self.store, self.splits
        facts = environment(executor=self.executor, workers=self.workers, threads=self.threads)
        remarks = normalization_remarks(study, planned, splits, store)
        store.write_study(self.source, planned, {**facts, REMARKS: remarks} if remarks else facts)
        context = WorkerContext(study, planned, store, facts, splits, splits.test.input_shape)
        everything = tasks(planned, training_examples=training_examples(planned, splits))
        left = without_failed(missing(everything, store, planned.classes), self.endings)
        tell = _noted(store, TimeRemaining(left), self.observe)
        unsupported = {name: failure.message for name, failure in store.failures().items() if failure.unsupported}
        damaged = tuple(dict.fromkeys(place for task in left for place in task.damaged(store)))
        finished = FinishedTrials(store, planned, left)
        tell(RunStarted(store.root, planned, len(everything), left, damaged, tuple(remarks.values())))
        names = file_names(planned)
        name_variants(store, names)
        finished.merge_earlier()
        with _executor(self.executor, context, self.threads, self.workers) as chosen:
            endings = execute(left, chosen, _keeping(store, names, finished, tell), unsupported)
        self.endings |= {ending.task.id: ending for ending in endings}


def _executor(name: str, context: WorkerContext, threads: int, workers: int) -> Executor:
    if name == "serial":
        return Serial(context, threads)
    return Ray(context, threads, workers) if name == "ray" else Processes(context, threads, workers)


def _keeping(store: RunStore, names: Mapping[str, str], finished: FinishedTrials, observe: Observer) -> Observer:
    """`observe`, which also puts each variant that is made under its name, and merges trials that are finished."""

    def tell(event: Event) -> None:
        if isinstance(event, TaskResult):
            finished.end(event)
        if isinstance(event, TaskResult) and event.status == "done" and event.task.id in names:
            name_variant(store, event.task.id, names[event.task.id])
        observe(event)

    return tell


def _calling(observe: Observer, check: Callable[[], None], copy_finished: Callable[[Iterable[str]], None]) -> Observer:
    """`observe` after `check`, and after `copy_finished` of the task that has ended."""

    def tell(event: Event) -> None:
        check()
        if isinstance(event, TaskResult):
            copy_finished({event.task.id, *event.task.records})
        observe(event)

    return tell


def _noted(store: RunStore, left: TimeRemaining, observe: Observer) -> Observer:
    """`observe`, which also leaves word for `brinell status` of the time that is left."""
    said = 0.0

    def tell(event: Event) -> None:
        nonlocal said
        now = time.time()
        if isinstance(event, TaskProgress):
            left.advance(event, now)
        elif isinstance(event, TaskResult):
            left.end(event, now)
        seconds = left.seconds(now)
        if seconds is not None and now - said >= _NOTED_EVERY:
            said = now
            store.write_time_remaining(seconds, now)
        observe(event)

    return tell


def _share(executor: str, workers: int | None, threads: int | None) -> tuple[int, int]:
    """Workers and threads a worker, from what the user said and the cores there are."""
    if executor not in EXECUTORS:
        raise ConfigurationError(f"executor: unknown executor {executor!r}; accepted: {', '.join(EXECUTORS)}")
    if (count := process_group().count) > 1:
        raise ConfigurationError(
            f"executor: torchrun has started {count} processes, of which each would run the study; start it "
            "once, with --executor processes: each worker gets a GPU of its own"
        )
    if executor == "serial" and workers not in (None, 1):
        raise ConfigurationError(f"workers: the serial executor has one, not {workers}; use --executor processes")
    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None and number < 1:
            raise ConfigurationError(f"{name}: expected at least 1, not {number}")
    count = 1 if executor == "serial" else workers or cores()
    return count, threads or min(max(1, cores() // count), _most_threads())


def _most_threads() -> int:
    """What the environment allows, as for any program with OpenMP; so many that more rarely help, otherwise."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else _MOST_THREADS


def training_examples(planned: StudyPlan, splits: Splits) -> int:
    """The size of the training split, read only where something trains; for the estimates.

    Args:
        planned: The plan.
        splits: The study's data.

    Returns:
        Number of examples; 0 where nothing trains.

    Examples:
        >>> from brinell.study.reading import find
        >>> study = Study.from_yaml(find("quickstart"))
        >>> training_examples(plan(study), Splits(study.data)) > 0
        True
    """
    return len(splits.train) if any(variant.family != "model" for variant in planned.variants) else 0


def _silent(event: Event) -> None:
    """Say nothing."""
