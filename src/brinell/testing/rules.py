"""Rules that a member must keep: functions that raise `AssertionError`, and the error that lists those it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from brinell.variants import Variant

M = TypeVar("M")


class BrokenRuleError(AssertionError):
    """A member breaks rules of its family; the message names each with what was found.

    Attributes:
        rules: Names of the broken rules, functions of `brinell.testing`.
    """

    def __init__(self, message: str, rules: tuple[str, ...]) -> None:
        super().__init__(message)
        self.rules = rules


@dataclass(frozen=True)
class Rule(Generic[M]):
    """A check, and the members that it is for."""

    check: Callable[..., None]
    applies: Callable[[M], bool] = lambda member: True

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.check.__name__

    @property
    def statement(self) -> str:
        """The first line of its function's docstring."""
        return (self.check.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def expect(condition: object, message: str) -> None:
    """Raise `AssertionError` with `message` unless `condition` is true."""
    if not condition:
        raise AssertionError(message)


def expect_raises(error: type[Exception], call: Callable[[], Any], what: str) -> None:
    """Raise `AssertionError` unless `call` raises `error`."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{what} raised no {error.__name__}")


def same_tensors(one: Variant, other: Variant) -> bool:
    """Whether two variants have equal tensors under equal names."""
    return one.tensors.keys() == other.tensors.keys() and all(
        equal_values(tensor, other.tensors[name]) for name, tensor in one.tensors.items()
    )


def equal_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one type, one shape and equal values."""
    return one.dtype == other.dtype and torch.equal(one, other)


def check_rules(title: str, member: M, rules: Iterable[Rule[M]], *arguments: Any) -> None:
    """Run every rule for `member` and report all that are broken.

    Raises:
        BrokenRuleError: At least one rule raised an error, `AssertionError` or another.
    """
    rules = [rule for rule in rules if rule.applies(member)]
    broken: list[tuple[Rule[M], Exception]] = []
    for rule in rules:
        try:
            rule.check(member, *arguments)
        except Exception as error:
            broken.append((rule, error))
    if not broken:
        return
    lines = [f"{title} breaks {len(broken)} of {len(rules)} rules:"]
    for rule, raised in broken:
        found = str(raised) if isinstance(raised, AssertionError) else f"{type(raised).__name__}: {raised}"
        lines.append(f"  {rule.name} ({rule.statement}): {found}")
    raise BrokenRuleError("\n".join(lines), tuple(rule.name for rule, _ in broken)) from broken[0][1]
