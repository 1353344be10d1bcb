"""What compressors noted on their way: a search for rates, episode by episode; what layers keep; surgery on masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Self

import polars as pl
from pydantic import Field, ValidationError, model_validator

from brinell.analysis.records.json_record import JsonRecord
from brinell.core import explain

SEARCH_SCHEMA = {
    "variant": pl.String,
    "reward": pl.String,
    "examples": pl.Int64,
    "episode": pl.Int64,
    "random": pl.Boolean,
    "score": pl.Float64,
    "best": pl.Float64,
    "uniform": pl.Float64,
}
"""One row an episode of a search for rates: the pruned network's `score` before fine-tuning on `examples`, the `best`
of this episode and all before, and what `uniform` rates have there. `random`: before the agent was asked."""

RATE_SCHEMA = {
    "variant": pl.String,
    "layer": pl.String,
    "units": pl.Float64,
    "uniform": pl.Float64,
    "weights": pl.Float64,
}
"""One row a layer of a pruned variant, in the network's order: the shares kept of its `units` (weights, kernels,
filters or channels) and of its `weights`; `uniform` is the share of units that uniform rates would keep, where rates
were searched for."""

SURGERY_SCHEMA = {
    "variant": pl.String,
    "phase": pl.Int64,
    "step": pl.Int64,
    "pruned": pl.Int64,
    "spliced": pl.Int64,
    "left": pl.Int64,
    "weights": pl.Int64,
    "left_share": pl.Float64,
}
"""Dynamic network surgery: weights `pruned` and `spliced` from `step` of the phase to the next row's, and `left` then,
of the `weights` that the phase is about."""


UNTOUCHED_SCHEMA = {
    "variant": pl.String,
    "step": pl.String,
    "layer": pl.String,
    "weights": pl.Int64,
    "share": pl.Float64,
    "reason": pl.String,
}
"""What the step that made a variant covers of the network's weights: a row without a `layer` for all that it covers,
and one for each layer or parameter that it leaves alone, with the `reason`. `share` is of all weights."""


class _Columns(JsonRecord):
    @model_validator(mode="after")
    def _alike(self) -> Self:
        if len({len(column) for column in self.model_dump().values()}) > 1:
            raise ValueError("expected columns of one length")
        return self


class _Episodes(_Columns):
    episode: tuple[int, ...]
    score: tuple[float, ...]


class _Search(JsonRecord):
    """A search for rates; records of older versions say neither what is uniform nor who chose."""

    reward: str
    examples: int
    uniform: float
    uniform_rates: dict[str, float] = Field(default_factory=dict)
    random_episodes: int | None = None
    episodes: _Episodes


class _Surgery(_Columns):
    phase: tuple[int, ...]
    step: tuple[int, ...]
    pruned: tuple[int, ...]
    spliced: tuple[int, ...]
    left: tuple[int, ...]


class _Untouched(JsonRecord):
    weights: int
    reason: str


class _Coverage(JsonRecord):
    weights: int
    covered: int
    untouched: dict[str, _Untouched] = Field(default_factory=dict)


class _Noted(JsonRecord):
    """What is read of one step's figures; anything else stands in the table of notes."""

    amc: _Search | None = None
    units: dict[str, float] = Field(default_factory=dict)
    kept: dict[str, float] = Field(default_factory=dict)
    surgery: _Surgery | None = None
    coverage: _Coverage | None = None


_NAMES: Final = tuple(_Noted.model_fields)


@dataclass(frozen=True)
class CompressorLogs:
    """Frames of what the step that made each variant noted; what its ancestors' steps did is in their own rows."""

    searches: pl.DataFrame
    """`SEARCH_SCHEMA`"""
    rates: pl.DataFrame
    """`RATE_SCHEMA`"""
    surgeries: pl.DataFrame
    """`SURGERY_SCHEMA`"""
    untouched: pl.DataFrame
    """`UNTOUCHED_SCHEMA`"""


def compressor_logs(notes: Mapping[str, Sequence[Mapping[str, Any]]], problems: list[str]) -> CompressorLogs:
    """From the steps of each variant, the last of which made it; what is not as it should be is named in `problems`."""
    found: dict[str, _Noted] = {}
    for variant, steps in notes.items():
        figures = {name: value for name, value in steps[-1]["figures"].items() if name in _NAMES}
        ours = {name: value for name, value in figures.items() if isinstance(value, Mapping)}  # others' names may be so
        try:
            found[variant] = _Noted.model_validate(ours)
        except ValidationError as error:
            problems.append(f"What {variant} noted is not drawn: {explain(error, '', _Noted).splitlines()[0]}")
    return CompressorLogs(
        searches=_frame(SEARCH_SCHEMA, (row for name, each in found.items() for row in _searched(name, each.amc))),
        rates=_frame(RATE_SCHEMA, (row for name, each in found.items() for row in _rated(name, each))),
        surgeries=_frame(
            SURGERY_SCHEMA, (row for name, each in found.items() for row in _operated(name, each.surgery))
        ),
        untouched=_frame(
            UNTOUCHED_SCHEMA,
            (
                (name, str(notes[name][-1]["kind"]), *row)
                for name, each in found.items()
                for row in _covered(each.coverage)
            ),
        ),
    )


def _frame(schema: Mapping[str, Any], rows: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(schema), orient="row")


def _searched(variant: str, search: _Search | None) -> Iterator[tuple[object, ...]]:
    if search is None:
        return
    scores, first = search.episodes.score, search.random_episodes
    best = accumulate(scores, max)
    for episode, score, highest in zip(search.episodes.episode, scores, best, strict=True):
        at_random = None if first is None else episode <= first
        yield variant, search.reward, search.examples, episode, at_random, score, highest, search.uniform


def _rated(variant: str, each: _Noted) -> Iterator[tuple[object, ...]]:
    alike = each.amc.uniform_rates if each.amc else {}
    for layer in dict.fromkeys((*each.kept, *each.units)):
        yield variant, layer, each.units.get(layer), alike.get(layer), each.kept.get(layer)


def _operated(variant: str, surgery: _Surgery | None) -> Iterator[tuple[object, ...]]:
    if surgery is None:
        return
    weights: dict[int, int] = {}
    for phase, step, pruned, spliced, left in zip(*surgery.model_dump().values(), strict=True):
        whole = weights.setdefault(phase, left + pruned - spliced)  # before the first change
        yield variant, phase, step, pruned, spliced, left, whole, left / whole if whole > 0 else None


def _covered(coverage: _Coverage | None) -> Iterator[tuple[object, ...]]:
    if coverage is None:
        return
    whole = max(coverage.weights, 1)
    yield None, coverage.covered, coverage.covered / whole, None
    for layer, left in coverage.untouched.items():
        yield layer, left.weights, left.weights / whole, left.reason
