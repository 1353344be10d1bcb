"""What a search minimises, as it is written, such as `bytes` or `latency_ms on openvino`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from brinell.core.errors import ConfigurationError
from brinell.core.problems import choices
from brinell.core.requirements import TIMED

GOALS: Final = {
    "bytes": "encoded_bytes",
    "macs": "macs",
    "parameters": "parameters",
    "latency_ms": "latency_ms",
    "energy_joules": "energy_joules",
}
"""Metrics by the words for them."""


@dataclass(frozen=True)
class Goal:
    """A cost to minimise."""

    text: str
    """As it was written."""
    metric: str
    runtime: str | None = None
    """What computes the network; `None`: the study's runtime, or the metric depends on none."""


def parse_goal(text: object) -> Goal:
    """Read what is minimised.

    Raises:
        ConfigurationError: it is no cost that a search can minimise, or names a runtime that it does not depend on.
    """
    words = text.split() if isinstance(text, str) else []
    if not words or words[0] not in GOALS:
        raise ConfigurationError(f"nobody can minimise {text!r}; {choices(str(text), list(GOALS))}")
    if len(words) == 1:
        return Goal(words[0], GOALS[words[0]])
    if len(words) != 3 or words[1] != "on" or words[0] not in TIMED:
        raise ConfigurationError(f"nobody can minimise {text!r}; a runtime is named as in 'latency_ms on openvino'")
    return Goal(" ".join(words), GOALS[words[0]], words[2])
