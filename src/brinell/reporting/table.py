"""What tables share: cells that know how they read, how they sort and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from brinell.reporting.formats import MISSING, distance, interval, percent


@dataclass(frozen=True)
class Gauge:
    """Clean and robust accuracy on one scale from 0 to 1, with the breaking line; drawn inside a cell."""

    clean: float | None
    robust: float | None
    low: float | None
    high: float | None
    line: float


@dataclass(frozen=True)
class Cell:
    """What a cell says; `sort` is what it sorts by, `note` stands smaller beside it, `tone` (0 to 1) tints it."""

    text: str
    sort: float | str | None = None
    note: str = ""
    tone: float | None = None
    gauge: Gauge | None = None
    variant: str | None = None
    """Makes it the head of a variant's row."""
    write: Callable[[float], str] | None = field(default=None, compare=False)
    """How `sort` is written, where a mean over trainings is written so as well."""
    verdict: str = ""
    """What a test says, where a mean over trainings counts what they say."""
    trainings: tuple[str, ...] = ()
    """Of the head of a row that sums up trainings of several seeds: their labels."""
    training: bool = False
    """Whether it is the head of a row that a row above it sums up: shown on demand."""
    link: str = ""
    """A file of the run, as seen from the page."""

    @property
    def missing(self) -> bool:
        """Whether there is nothing to say."""
        return self.text == MISSING


@dataclass(frozen=True)
class Column:
    """A column's head; `below` stands smaller under it, `note` explains it."""

    title: str
    note: str = ""
    numeric: bool = True
    below: str = ""
    prose: bool = False
    """Whether its cells hold sentences, which wrap."""

    @property
    def text(self) -> str:
        """All of it on one line."""
        return f"{self.title}, {self.below}" if self.below else self.title


@dataclass(frozen=True)
class Table:
    """A table for the page and for files; `frame` holds its unrounded numbers."""

    kind: ClassVar[str] = "table"

    name: str
    section: str
    """One of `layout.SECTIONS`."""
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    frame: pl.DataFrame
    order: int = 0
    """Its place within the section, smaller first."""

    @property
    def summary_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows without those that are shown on demand."""
        return tuple(row for row in self.rows if not row[0].training)


def share(value: float | None, low: float | None = None, high: float | None = None, *, tone: bool = False) -> Cell:
    """A proportion in percent with its interval."""
    return Cell(percent(value), value, interval(low, high), value if tone else None, write=percent)


def median_distance(row: Mapping[str, Any]) -> Cell:
    """How far an attack without a radius had to go, in its own norm, and the share that it did not fool."""
    found = row[f"median_{row['norm']}"]
    rest = interval(row["robust_accuracy_low"], row["robust_accuracy_high"])
    note = f"{percent(row['robust_accuracy'])} not fooled\n{rest}"
    if found is None:
        return Cell("none found", float("inf"), note)
    return Cell(distance(found, row["norm"]), found, note)


def number(text: str, value: float | None, write: Callable[[float], str] | None = None) -> Cell:
    """A quantity and how it is written; `write` writes means of it."""
    return Cell(text, value, write=write)
