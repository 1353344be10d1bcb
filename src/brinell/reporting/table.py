"""What tables share: cells that know how they read, how they sort and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


def share(value: float | None, low: float | None = None, high: float | None = None, *, tone: bool = False) -> Cell:
    """A proportion in percent with its interval."""
    return Cell(percent(value), value, interval(low, high), value if tone else None)


def median_distance(row: Mapping[str, Any]) -> Cell:
    """How far an attack without a radius had to go, in its own norm, and the share that it did not fool."""
    found = row[f"median_{row['norm']}"]
    rest = interval(row["robust_accuracy_low"], row["robust_accuracy_high"])
    note = f"{percent(row['robust_accuracy'])} not fooled\n{rest}"
    if found is None:
        return Cell("none found", float("inf"), note)
    return Cell(distance(found, row["norm"]), found, note)


def number(text: str, value: float | None) -> Cell:
    """A quantity and how it is written."""
    return Cell(text, value)
