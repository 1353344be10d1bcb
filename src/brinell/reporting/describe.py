"""What made a figure or a table: settings, examples and seeds, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.formats import listing, settings, whole


def made_of(evaluation: Evaluation, attacks: Sequence[str]) -> str:
    """Settings of the attacks, and what they were measured on."""
    specs = {trial.attack: trial.spec for trial in evaluation.plan.trials}
    known = [f"{attack}: {settings(specs[attack]) or specs[attack]['kind']}" for attack in attacks if attack in specs]
    chosen = evaluation.readings.filter(pl.col("attack").is_in(list(attacks)))
    return f"{'. '.join([*known, measured_on(evaluation, chosen)])}."


def measured_on(evaluation: Evaluation, readings: pl.DataFrame) -> str:
    """Examples and seeds of some readings."""
    if readings.is_empty():
        return "Nothing measured yet"
    seeds = whole(readings["seed"].n_unique(), "seed")
    return f"{span(readings['examples'])} of {evaluation.plan.dataset}, {seeds}"


def span(counts: Iterable[int]) -> str:
    """`400 examples`, or from the fewest to the most."""
    counts = sorted(set(counts))
    if not counts:
        return "no examples"
    return whole(counts[0], "example") if len(counts) == 1 else f"{counts[0]:,} to {whole(counts[-1], 'example')}"


def named(attacks: Iterable[str]) -> str:
    """Attacks as a list in a sentence."""
    return listing(list(attacks))
