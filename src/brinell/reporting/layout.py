"""What stands where on the page: sections in the order of a reader's questions, which exhibits name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from brinell.core import ConfigurationError, choices
from brinell.reporting.export import Exhibit
from brinell.reporting.table import Table

SECTIONS: Final = (
    "variants",
    "requirements",
    "limits",
    "tradeoff",
    "masking",
    "findings",
    "untested-findings",
    "paper",
    "worst-case",
    "material",
    "iterations",
    "distributions",
    "security-curves",
    "corruptions",
    "transfer",
    "activation-maps",
    "gallery",
    "attacks",
    "top5",
    "models",
    "energy",
    "latency",
    "training",
    "rates",
    "dns",
    "computation",
    "compressor-notes",
    "comparison",
    "coverage",
)
"""Every section of the page, in its order; an exhibit's `section` is one of them."""
FOLDED: Final = frozenset({"untested-findings", "paper", "computation", "compressor-notes", "comparison"})
"""Sections that open when they are asked for."""
APART: Final = "coverage"
"""The section that the page shows by itself, at its end."""


@dataclass(frozen=True)
class ExhibitGroup:
    """The exhibits of a section under one heading, the first one's; `folded` ones open when they are asked for."""

    exhibits: tuple[Exhibit, ...]
    folded: bool = False

    @property
    def title(self) -> str:
        """The first exhibit's."""
        return self.exhibits[0].title

    @property
    def anchor(self) -> str:
        """The first exhibit's name."""
        return self.exhibits[0].name


def by_section(exhibits: Iterable[Exhibit]) -> dict[str, list[Exhibit]]:
    """Exhibits by section, in the page's order; within a section by their `order`, then as they come.

    Raises:
        ConfigurationError: an exhibit names no section of the page; the message names it and the sections.
    """
    found: dict[str, list[Exhibit]] = {section: [] for section in SECTIONS}
    for exhibit in exhibits:
        if exhibit.section not in found:
            raise ConfigurationError(
                f"the {exhibit.kind} {exhibit.name!r} is in no section of the page: {exhibit.section!r}; "
                f"{choices(exhibit.section, list(SECTIONS))}"
            )
        found[exhibit.section].append(exhibit)
    return {section: sorted(members, key=lambda exhibit: exhibit.order) for section, members in found.items()}


def exhibit_groups(exhibits: Iterable[Exhibit]) -> list[ExhibitGroup]:
    """Sections that have something to show, all but `coverage`."""
    found = []
    for section, members in by_section(exhibits).items():
        shown = tuple(member for member in members if not isinstance(member, Table) or member.rows)
        if shown and section != APART:
            found.append(ExhibitGroup(shown, section in FOLDED))
    return found
