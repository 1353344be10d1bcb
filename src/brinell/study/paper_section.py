"""`paper` of a study's mapping: which paper it reproduces, and which variant stands for which printed row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brinell.analysis.papers import paper, papers
from brinell.core import ConfigurationError, PlannedPaper
from brinell.study.fields import mapping_of, one_of
from brinell.study.reading import check_keys


def read_paper(config: object, variants: Mapping[str, Any]) -> PlannedPaper | None:
    """The section, or nothing. It decides nothing that is computed, and enters no key.

    Raises:
        ConfigurationError: an unknown paper, variant or row, or a row that two variants claim.
    """
    if config is None:
        return None
    fields = check_keys(config, "paper", ("kind", "rows"))
    for name in ("kind", "rows"):
        if name not in fields:
            raise ConfigurationError(f"paper.{name}: missing; paper has kind ({', '.join(papers())}) and rows")
    kind = one_of(fields["kind"], "paper.kind", dict.fromkeys(papers()))
    known, rows = paper(kind).rows, mapping_of(fields["rows"], "paper.rows")
    taken: dict[str, str] = {}
    for name, row in rows.items():
        one_of(name, "paper.rows", variants)
        found = one_of(row, f"paper.rows.{name}", known)
        if found in taken:
            raise ConfigurationError(f"paper.rows.{name}: {found} is {taken[found]} already; one variant a row")
        taken[found] = name
    return PlannedPaper(kind=kind, rows=rows)
