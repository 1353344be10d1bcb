"""`brinell status`: how far a run is, seen from its folder alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import typer
from rich.markup import escape
from rich.table import Table

from brinell.analysis.coverage import CoverageStatus, failure_status, variant_states
from brinell.analysis.labels import labels
from brinell.analysis.searched_variants import screened_variants
from brinell.cli.display.check_formats import Check, Checks, Format, FormatOption, Outcome, formatted
from brinell.cli.display.console import Debug, RunFolder, add_row, echo, out
from brinell.cli.requirements import NOT_MET_STATUS, requirement_checks
from brinell.core import StudyPlan, duration
from brinell.store import Failure, RunStore
from brinell.store.merged_tables import whole_blocks

HELP = """Show how far a run is: what is done, running, failed, blocked or unsupported, and the time left.

The exit status is 1 where something failed, and 3 where what is measured does not meet a requirement of the study.

[bold]Example[/]

$ brinell status runs/quickstart
"""

_STATES: Final = ("failed", "blocked", "unsupported")
_FRESH: Final = 600.0
"""Seconds for which the word of a run counts: it may be busy with something that says nothing, or be another one."""


@dataclass(frozen=True)
class _Part:
    """One thing of the plan that is there or not: a variant, a block of a trial, a probe."""

    variant: str
    """Key of the variant that is made, judged or asked."""
    column: str
    state: str


def status(folder: RunFolder, kind: FormatOption = Format.text, debug: Debug = False) -> None:
    """See `HELP`."""
    store = RunStore.open(folder)
    plan, now = store.plan(), time.time()
    failures = store.failures()
    parts = list(_parts(store, plan, failures))
    verdicts = requirement_checks(store)
    if kind == Format.text:
        _print(folder, store, plan, parts, failures, now)
    else:
        echo(formatted(Checks(plan.name, (*_checks(plan, parts), *verdicts)), kind))
    dropped = screened_variants(plan)
    if any(part.state in ("failed", "blocked") and part.variant not in dropped for part in parts):
        raise typer.Exit(1)
    if any(check.outcome == "failed" for check in verdicts):
        raise typer.Exit(NOT_MET_STATUS)


def _print(
    folder: Path, store: RunStore, plan: StudyPlan, parts: list[_Part], failures: dict[str, Failure], now: float
) -> None:
    """How far the run is, for people."""
    count = Counter(part.state for part in parts)
    running = store.running().values() if store.in_use else ()  # a dead run's last words are no news
    others = [("running", len(running)), *((state, count[state]) for state in _STATES)]
    said = "".join(f", {number} {state}" for state, number in others if number)
    out.print(f"[bold]{escape(plan.name)}[/]: {count['done']} of {len(parts)} results done{said}")
    out.print(_table(plan, parts))
    for task in running:
        share = f"{task.done / task.total:.0%}" if task.total else "?"
        out.print(f"running: {task.label}: {share}, said {now - task.updated:.0f} s ago", markup=False)
    for _, same in groupby(failures.values(), key=lambda failure: (failure.label, failure.message)):
        failure = next(same)
        word = "unsupported" if failure.unsupported else "failed"
        out.print(f"{word}: {failure.label}: {failure.message}", markup=False, soft_wrap=True)
        out.print(f"  {folder / 'failures' / failure.task}.json", markup=False, soft_wrap=True)
    if count["done"] < len(parts):
        if store.in_use:
            out.print(_time_left(store.time_remaining(), now))
        elif count["done"] + count["unsupported"] < len(parts):
            out.print("running the same study again computes what is left")


def _checks(plan: StudyPlan, parts: list[_Part]) -> Iterator[Check]:
    """What is made, attacked or asked, a check each: done has passed, failed or blocked has failed."""
    names = labels(plan)
    outcomes: dict[str, Outcome] = {"done": "passed", "failed": "failed", "blocked": "failed"}
    for (variant, column), every in groupby(parts, key=lambda part: (part.variant, part.column)):
        states = Counter(part.state for part in every)
        worst = next((state for state in ("failed", "blocked", "unsupported", "left") if states[state]), "done")
        message = ", ".join(f"{count} {state}" for state, count in states.items())
        yield Check(f"{names[variant]}: {column}", outcomes.get(worst, "undecided"), message)


def _time_left(said: tuple[float, float] | None, now: float) -> str:
    """Of a run that is going on: what it said when it last got on, less the time since."""
    if said is None or now - said[1] > _FRESH:
        return "it is not known yet how much time is left"
    return f"about {duration(max(said[0] - (now - said[1]), 0))} left"


def _parts(store: RunStore, plan: StudyPlan, failures: dict[str, Failure]) -> Iterator[_Part]:
    """Everything that the plan holds, a block that two attacks share once."""
    made = {variant.key for variant in plan.variants if store.has_variant(variant.key)}
    variants = variant_states(plan, made, failures, labels(plan))

    def state(done: bool, name: str, *needed: str) -> str:
        if done:
            return "done"
        if (failure := failure_status(failures.get(name))) is not None:
            return failure.state
        waiting = [variants.get(key, CoverageStatus("missing")).state for key in needed]
        if "unsupported" in waiting:
            return "unsupported"
        return "blocked" if {"failed", "blocked"} & set(waiting) else "left"

    for variant in plan.variants:
        found = variants[variant.key].state
        yield _Part(variant.key, "made", "left" if found == "missing" else found)
    seen: set[str] = set()
    for trial in plan.trials:
        blocks = {f"{trial.key}.{block.name}": block.name for block in trial.blocks}
        blocks = {name: block for name, block in blocks.items() if name not in seen}
        whole = whole_blocks(store.root, "trials", trial.key, tuple(blocks.values()))
        for name, block in blocks.items():
            done = block in whole
            yield _Part(trial.judged_on, trial.attack, state(done, name, trial.judged_on, trial.crafted_on))
        seen |= blocks.keys()
    for probe in plan.probes:
        yield _Part(probe.variant, probe.kind, state(store.has_probe(probe.key), probe.key, probe.variant))


def _table(plan: StudyPlan, parts: list[_Part]) -> Table:
    """One row a variant, one column an attack or a probe: what is done of all."""
    columns = list(dict.fromkeys(part.column for part in parts if part.column != "made"))
    names = labels(plan)
    table = Table("variant", "made", *map(escape, columns), box=None, pad_edge=False)
    for variant in plan.variants:
        own = [part for part in parts if part.variant == variant.key]
        made = next(part.state for part in own if part.column == "made")
        word = {"done": "yes", "left": "no"}.get(made, made)
        add_row(table, names[variant.key], word, *(_cell(own, column) for column in columns))
    return table


def _cell(own: list[_Part], column: str) -> str:
    states = Counter(part.state for part in own if part.column == column)
    if not states:
        return "-"
    bad = next((f" {state}" for state in _STATES if states[state]), "")
    return f"{states['done']}/{states.total()}{bad}"
