"""`brinell.run`: compute a study, show how far it is, and write its report."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

from brinell.core.safe_console import SafeConsole
from brinell.reporting import write
from brinell.runs.progress_display import ProgressDisplay
from brinell.study import Event, Observer, Run, Study
from brinell.study import run as compute


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
    progress: bool = True,
    report: bool = True,
    mirror: str | None = None,
) -> Run:
    """Compute what the folder `out` lacks of `study`, with progress on stderr, and write the report.

    A task that fails does not stop the others; the next run tries it again.

    Args:
        study: A YAML file, the name of a study that ships, or a `Study`.
        out: Folder of the run; `runs/<name of the study>` by default.
        executor: `serial`; `processes`, `workers` of them; or `ray`, workers of a cluster, whose nodes all see `out`
            and the data. Rows are equal for equal `threads`.
        workers: Number of workers; by default as many as there are cores.
        threads: Threads of each worker; by default cores / workers, at most 8: small networks get slower beyond.
        overrides: Changes of a study that is read from a file, `dotted.path=value`.
        observe: Called with every event (`RunStarted`, `TaskProgress`, `TaskResult`), from one thread; must be quick.
        trust_code: Whether code that the study names (models of `kind: custom`) may run; `brinell run` asks for it.
        progress: Whether progress is shown: bars on a terminal, lines elsewhere.
        mirror: URL such as `s3://bucket/run` to which finished files are copied while the study is computed, and from
            which a run goes on whose folder is lost. One run at a time may write to it.
        report: Whether the report is written, once what could be computed is.

    Returns:
        The run; `report` is the path of the page.

    Raises:
        ConfigurationError, DataError, ModelError: The study is not accepted; nothing was computed.
        StoreError: The folder holds something that is no run (nothing in it is touched), cannot be written, or another
            run is using it; nothing computed is lost.

    Example:
        >>> import brinell
        >>> brinell.run("quickstart", overrides=["seeds.variants=[]"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        brinell.core.errors.ConfigurationError: ...
    """
    display = ProgressDisplay(SafeConsole(stderr=True, highlight=False)) if progress else None
    observers = [each for each in (display, observe) if each is not None]

    def observe_all(event: Event) -> None:
        for each in observers:
            each(event)

    with display or nullcontext():
        done = compute(
            study,
            out=out,
            executor=executor,
            workers=workers,
            threads=threads,
            overrides=overrides,
            observe=observe_all,
            trust_code=trust_code,
            mirror=mirror,
        )
    return replace(done, report=write(done.root)) if report else done
