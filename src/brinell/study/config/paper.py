"""`paper`: which paper a study reproduces, and which variant stands for which printed row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from brinell.analysis.papers import paper, papers
from brinell.core import choices, validation_error, validation_problem
from brinell.core.problems import error_details
from brinell.study.config.section import Section, VariantName, known_name, required_field


class Paper(Section):
    """It decides nothing that is computed, and enters no key."""

    kind: Annotated[str, known_name(papers)] = required_field()
    rows: dict[VariantName, Any]
    """Printed row by the variant's name; a row stands for one variant."""

    @field_validator("rows", mode="wrap")
    @classmethod
    def _known_rows(cls, value: Any, handler: Callable[[Any], dict[str, str]], info: ValidationInfo) -> dict[str, str]:
        known = list(paper(info.data["kind"]).rows) if "kind" in info.data else []
        problems: list[InitErrorDetails] = []
        taken: dict[str, str] = {}
        for name, row in value.items() if known and isinstance(value, Mapping) else ():
            if row not in known:
                problems.append(validation_problem(f"there is no {row!r}; {choices(str(row), known)}", name))
            elif taken.setdefault(row, name) != name:
                problems.append(validation_problem(f"{row} is {taken[row]} already; one variant a row", name))
        try:
            rows = handler(value)
        except ValidationError as error:
            problems += error_details(error)
        if problems:
            raise validation_error(problems)
        return rows
