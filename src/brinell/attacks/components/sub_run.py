"""One of several runs that an attack consists of: what keys its noise, and its place in the whole's progress."""

from __future__ import annotations

from dataclasses import dataclass

from brinell.attacks.harness.oracle import Oracle


@dataclass(frozen=True)
class SubRun:
    """`number` keys its noise; `done` of `total` steps lie behind it, and it makes `portion` of them."""

    seed: int
    number: int = 0
    done: float = 0.0
    portion: float = 1.0
    total: float = 1.0

    def report(self, oracle: Oracle, share: float) -> None:
        """Say that this share of the part is done."""
        oracle.report_progress(self.done + self.portion * share, self.total)
