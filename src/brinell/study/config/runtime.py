"""`runtime`: what computes the deployed networks, by its kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from brinell.core import choices, validation_error, validation_problem
from brinell.runtimes import RUNTIMES


def _stable(kind: str) -> str:
    """Rows name their runtime, so that it may not depend on the machine."""
    stable = [known for known in RUNTIMES if RUNTIMES[known].stable]
    if kind not in RUNTIMES:
        raise validation_error([validation_problem(f"unknown runtime {kind!r}; {choices(kind, stable)}")])
    if kind not in stable:
        message = (
            f"which one {kind!r} takes depends on the machine, and rows name theirs; accepted: {', '.join(stable)}"
        )
        raise validation_error([validation_problem(message)])
    return kind


RuntimeKind = Annotated[str, AfterValidator(_stable)]
