"""One section of a dossier: statements and a table, as JSON and as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool | None


@dataclass(frozen=True)
class DossierSection:
    """What a section says; every row has the same keys, which head the table's columns."""

    name: str
    title: str
    statements: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Value], ...] = ()

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"title": self.title, "statements": list(self.statements), "rows": [dict(row) for row in self.rows]}
