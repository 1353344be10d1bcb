"""`brinell status`: how far a run is, seen from its folder alone."""

from __future__ import annotations

import time

from rich.table import Table

from brinell.analysis.names import labels
from brinell.cli.console import Debug, RunFolder, out
from brinell.core import PlannedVariant, StudyPlan
from brinell.store import RunStore

HELP = """Show how far a run is: what is made, judged, running, and what failed.

[bold]Example[/]

$ brinell status runs/quickstart
"""


def status(folder: RunFolder, debug: Debug = False) -> None:
    """See `HELP`."""
    store = RunStore.open(folder)
    plan = store.plan()
    done, total = _count(plan, store)
    out.print(f"[bold]{plan.name}[/]: {done} of {total} tasks done")
    out.print(_table(plan, store))
    now = time.time()
    for running in store.running().values():
        share = f"{running.done / running.total:.0%}" if running.total else "?"
        out.print(f"running: {running.label}: {share}, said {now - running.updated:.0f} s ago", markup=False)
    for failure in store.failures().values():
        word = "unsupported" if failure.unsupported else "failed"
        out.print(f"{word}: {failure.label}: {failure.message}", markup=False, soft_wrap=True)
        out.print(f"  {folder / 'failures' / failure.task}.json", markup=False, soft_wrap=True)
    if done < total:
        out.print("running the same study again computes what is left")


def _count(plan: StudyPlan, store: RunStore) -> tuple[int, int]:
    made = sum(store.has_variant(variant.key) for variant in plan.variants)
    blocks = [(trial.key, block.name) for trial in plan.trials for block in trial.blocks]
    judged = sum(store.has_rows(*block) for block in blocks)
    return made + judged, len(plan.variants) + len(blocks)


def _table(plan: StudyPlan, store: RunStore) -> Table:
    """One row a variant, one column an attack: blocks done of all."""
    attacks = list(dict.fromkeys(trial.attack for trial in plan.trials))
    names = labels(plan)
    table = Table("variant", "made", *attacks, box=None, pad_edge=False)
    for variant in plan.variants:
        made = "yes" if store.has_variant(variant.key) else "no"
        table.add_row(names[variant.key], made, *(_blocks(plan, store, variant, attack) for attack in attacks))
    return table


def _blocks(plan: StudyPlan, store: RunStore, variant: PlannedVariant, attack: str) -> str:
    trials = [trial for trial in plan.trials if trial.attack == attack and trial.judged_on == variant.key]
    blocks = [(trial.key, block.name) for trial in trials for block in trial.blocks]
    return f"{sum(store.has_rows(*block) for block in blocks)}/{len(blocks)}" if blocks else "-"
