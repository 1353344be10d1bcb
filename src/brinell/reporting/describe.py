"""What made a figure or a table: settings, examples and seeds, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.formats import listing, pluralize, settings


def describe_attacks(evaluation: Evaluation, attacks: Sequence[str]) -> str:
    """Settings of the attacks, and what they were measured on."""
    specs = {trial.attack: trial.spec for trial in evaluation.plan.trials}
    known = [f"{attack}: {settings(specs[attack]) or specs[attack]['kind']}" for attack in attacks if attack in specs]
    chosen = evaluation.readings.filter(pl.col("attack").is_in(list(attacks)))
    return f"{'. '.join([*known, describe_sample(evaluation, chosen)])}."


def describe_sample(evaluation: Evaluation, readings: pl.DataFrame) -> str:
    """Examples and seeds of some readings."""
    if readings.is_empty():
        return "Nothing measured yet"
    seeds = pluralize(readings["seed"].n_unique(), "seed")
    return f"{span(readings['examples'])} of {evaluation.plan.dataset}, {seeds}"


def span(counts: Iterable[int]) -> str:
    """`400 examples`, or from the fewest to the most."""
    counts = sorted(set(counts))
    if not counts:
        return "no examples"
    return (
        pluralize(counts[0], "example") if len(counts) == 1 else f"{counts[0]:,} to {pluralize(counts[-1], 'example')}"
    )


def worst_case_over(worst: pl.DataFrame) -> str:
    """Which attacks rows of the worst case are over, and on how many examples each: from `WORST_SCHEMA`."""
    known = worst.filter(pl.col("examples") > 0).select("examples", "over", "over_examples")
    if known.is_empty():
        return "over no attack"
    attacks = known.explode("over", "over_examples").drop_nulls("over")
    whole_ones, parts = [], []
    for (attack,), frame in attacks.group_by("over", maintain_order=True):
        if (frame["over_examples"] == frame["examples"]).all():
            whole_ones.append(str(attack))
        else:
            parts.append(f"{attack} on {span(frame['over_examples'])}")
    start = f"over {named(whole_ones)} on {span(known['examples'])}"
    return f"{start}, and {listing(parts)} of these" if parts else start


def group_by_baseline(evaluation: Evaluation) -> list[tuple[str, list[str]]]:
    """Variants that belong into one panel, under the name of the network that they are made from.

    A network that nothing is made from stands beside every family; a single family needs no name.
    """
    of_baseline = dict(evaluation.variants.select("variant", "baseline").iter_rows())
    roots = [root for root in dict.fromkeys(of_baseline.values()) if list(of_baseline.values()).count(root) > 1]
    alone = {variant for variant, root in of_baseline.items() if root not in roots}
    if len(roots) < 2:
        return [("", list(of_baseline))]
    return [(root, [name for name, own in of_baseline.items() if own == root or name in alone]) for root in roots]


def named(attacks: Iterable[str]) -> str:
    """Attacks as a list in a sentence."""
    return listing(list(attacks))


def class_name(evaluation: Evaluation, label: int) -> str:
    """The name of a class, or its number where it has none."""
    names = evaluation.plan.class_names
    return names[label] if 0 <= label < len(names) else str(label)
