"""Rows of several seeds in tables: one row a variant with mean, deviation and range; its trainings on demand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from brinell.reporting.formats import MISSING, pluralize
from brinell.reporting.table import Cell, Gauge, Table


def with_seed_rows(table: Table, labels: Mapping[str, Sequence[str]]) -> Table:
    """The table with a row above the trainings of each variant that was made with several seeds.

    `labels` are those of the trainings by the variant's name. A table with several rows a training stays as it is.
    """
    of_label = {row[0].variant: row for row in table.rows}
    if len(of_label) < len(table.rows):
        return table
    rows: list[tuple[Cell, ...]] = []
    names = {label: name for name, every in labels.items() for label in every if len(every) > 1}
    done: set[str] = set()
    for row in table.rows:
        name = names.get(row[0].variant or "")
        if name is None:
            rows.append(row)
        elif name not in done:
            done.add(name)
            members = [of_label[label] for label in labels[name] if label in of_label]
            rows.append(_summary(name, members))
            rows += [(replace(member[0], training=True), *member[1:]) for member in members]
    return replace(table, rows=tuple(rows))


def _summary(name: str, members: Sequence[tuple[Cell, ...]]) -> tuple[Cell, ...]:
    heads = [member[0] for member in members]
    notes = list(dict.fromkeys(head.note for head in heads))
    note = " \u00b7 ".join([*(notes if len(notes) == 1 and notes[0] else []), pluralize(len(members), "training")])
    head = Cell(name, name, note, variant=heads[0].variant, trainings=tuple(str(head.variant) for head in heads))
    return (head, *(_mean([member[place] for member in members]) for place in range(1, len(heads) and len(members[0]))))


def _mean(cells: Sequence[Cell]) -> Cell:
    known = [cell for cell in cells if not cell.missing]
    if any(cell.gauge for cell in cells):
        return _mean_gauge(known)
    if not known:
        return Cell(MISSING)
    values = [float(cell.sort) for cell in known if isinstance(cell.sort, (int, float))]
    write = known[0].write
    if write is None or len(values) < len(known) or not all(map(math.isfinite, values)):
        return _counted(known, len(cells))
    mean = fmean(values)
    lines = (
        [f"\u00b1 {write(stdev(values))}", f"{write(min(values))} to {write(max(values))}"] if len(values) > 1 else []
    )
    if len(known) < len(cells):
        lines.append(f"{len(known)} of {pluralize(len(cells), 'training')}")
    if verdicts := Counter(cell.verdict for cell in known if cell.verdict):
        lines.append(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    tone = None if known[0].tone is None else mean
    return Cell(write(mean), mean, "\n".join(lines), tone, write=write)


def _counted(cells: Sequence[Cell], planned: int) -> Cell:
    """What is no number: the text that all have, or how many have which."""
    texts = Counter(cell.text for cell in cells)
    if len(texts) == 1:
        return cells[0] if len(cells) == planned else replace(cells[0], note=f"{len(cells)} of {planned} trainings")
    return Cell(", ".join(f"{count} \u00d7 {text}" for text, count in texts.items()), cells[0].sort)


def _mean_gauge(cells: Sequence[Cell]) -> Cell:
    """Means, and for the range of the robust accuracy that over the trainings."""
    gauges = [cell.gauge for cell in cells if cell.gauge is not None]
    clean = [gauge.clean for gauge in gauges if gauge.clean is not None]
    robust = [gauge.robust for gauge in gauges if gauge.robust is not None]
    gauge = Gauge(
        fmean(clean) if clean else None,
        fmean(robust) if robust else None,
        min(robust) if robust else None,
        max(robust) if robust else None,
        gauges[0].line,
    )
    return Cell("", gauge.robust, gauge=gauge)
