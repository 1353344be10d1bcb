"""`brinell run`: compute a study, show it happening, and write its report."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brinell.cli.arguments.options import RuntimeName
from brinell.cli.display.check_formats import Format, FormatOption
from brinell.cli.display.console import Debug, Settings, err, out, say_error

if TYPE_CHECKING:
    from brinell.study import Run, Study

HELP = """Run a study, or go on with one that was stopped, and write its report.

STUDY is a YAML file, or the name of a study that ships ([bold]brinell list studies[/]). Results go to runs/NAME;
running the same study again computes only what that folder lacks. The exit status is 1 where a task failed, and 3
where a requirement of the study is not met.

[bold]Examples[/]

$ brinell run quickstart

$ brinell run studies/cifar10-first.yaml --set data.root=data/cifar10 --dry-run

$ brinell run my.yaml --set attacks.pgd.steps=5 --executor processes --workers 4 --out runs/five-steps
"""


class Executors(StrEnum):
    """Who computes: this process, several, or a cluster."""

    serial = "serial"
    processes = "processes"
    ray = "ray"


def run(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="YAML file, or name of a study that ships.")],
    settings: Settings = None,
    runtime: RuntimeName = None,
    folder: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the run.")] = None,
    executor: Annotated[
        Executors, typer.Option(help="One process, several, or those of a Ray cluster.")
    ] = Executors.serial,
    workers: Annotated[int | None, typer.Option(min=1, help="How many processes (default: one a core).")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Cores a worker (default: cores / workers, at most 8).")
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Run code that the study names (models of kind custom).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be computed, and stop.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Copy finished files there, and go on from there: s3://bucket/run."),
    ] = None,
    kind: FormatOption = Format.text,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.cli.display.plan_summary import print_plan
    from brinell.runs import ProgressDisplay
    from brinell.study import Study, check_code_is_trusted
    from brinell.study import run as compute

    chosen = () if runtime is None else (f"runtime={runtime}",)
    value = Study.from_yaml(study, (*(settings or ()), *chosen))
    target = folder or Path("runs") / value.name
    check_code_is_trusted(value, trust_code)
    if dry_run:
        print_plan(value, target)
        return
    display = ProgressDisplay(out if kind == Format.text else err)
    try:
        with display:
            result = compute(
                value,
                out=target,
                executor=executor.value,
                workers=workers,
                threads=threads,
                observe=display,
                mirror=mirror,
            )
    except BaseException as error:
        if display.begun:
            kept = "stopped" if isinstance(error, KeyboardInterrupt) else "what was computed is kept"
            err.print(f"{kept}; to go on: ", end="")
            err.print(_same_command(), markup=False, soft_wrap=True)
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130) from None
        raise
    conclude(value, result, kind)


def conclude(study: Study, result: Run, kind: Format = Format.text) -> None:
    """The table, the report's path, and what did not end well."""
    from brinell.analysis.searched_variants import screened_variants
    from brinell.cli.display.run_summary import print_table
    from brinell.cli.requirements import check_requirements
    from brinell.reporting import write_with_problems
    from brinell.reporting.limit_sentences import limit_conditions, limit_sentences

    drawn = write_with_problems(result.root)
    if kind == Format.text:
        print_table(result.root)
        for baseline, sentence in limit_sentences(drawn.evaluation) if drawn.evaluation is not None else ():
            out.print(f"{baseline}{sentence}", markup=False, soft_wrap=True)
        for conditions in limit_conditions(drawn.evaluation) if drawn.evaluation is not None else ():
            out.print(conditions, markup=False, soft_wrap=True)
    (out if kind == Format.text else err).print(f"report: {drawn.page}", markup=False, soft_wrap=True)
    for ending in result.ended("unsupported"):
        err.print(f"unsupported: {ending.task.label}: {ending.message}", markup=False, soft_wrap=True)
    dropped = screened_variants(result.plan)
    for ending in result.ended("failed"):
        if ending.task.variant.key in dropped:
            err.print(f"dropped: {ending.task.label}: {ending.message}", markup=False, soft_wrap=True)
    failed, blocked = (
        [ending for ending in result.ended(status) if ending.task.variant.key not in dropped]
        for status in ("failed", "blocked")
    )
    for ending in failed:
        say_error(f"{ending.task.label} failed: {ending.message}")
    if failed or blocked:
        say_error(
            f"{len(failed)} failed and {len(blocked)} waited for them; tracebacks are in {result.root / 'failures'}; "
            "running the study again tries them again"
        )
        if kind == Format.text or drawn.evaluation is None:
            raise typer.Exit(1)
    if drawn.evaluation is not None:
        problems = [f"{ending.task.label} {ending.status}: {ending.message}" for ending in (*failed, *blocked)]
        check_requirements(drawn.evaluation, kind, problems=problems)


def _same_command() -> str:
    return shlex.join(["brinell", *sys.argv[1:]])
