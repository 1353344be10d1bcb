"""Some rows of a dataclass of tensors that have one row an example."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

from torch import Tensor

State = TypeVar("State")


def take_rows(state: State, chosen: Tensor) -> State:
    """A copy of `state` (a dataclass) with the `chosen` rows (places, or a mask) of every tensor in it."""
    tensors = {field.name: getattr(state, field.name) for field in fields(state)}  # type: ignore[arg-type]
    return replace(state, **{name: part[chosen] for name, part in tensors.items() if isinstance(part, Tensor)})  # type: ignore[type-var]
