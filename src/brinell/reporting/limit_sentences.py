"""How far a network can be compressed, in sentences: one a limit."""

from __future__ import annotations

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.limit_results import limit_results
from brinell.analysis.requirements import MET
from brinell.core import PlannedLimit
from brinell.reporting.formats import listing, pluralize, times

_WORDS = {"macs": "MACs", "latency_ms": "latency", "energy_joules": "energy"}


def limit_sentences(evaluation: Evaluation) -> list[tuple[str, str]]:
    """For each limit the baseline's name, and what follows it in the sentence."""
    found = limit_results(evaluation)
    sentences = []
    for limit in evaluation.plan.limits:
        own = found.filter(pl.col("limit") == limit.name)
        if len(own):
            sentences.append((str(own["baseline"][0]), _sentence(evaluation, limit, own)))
    return sentences


def limit_conditions(evaluation: Evaluation) -> list[str]:
    """What each limit keeps, in a sentence."""
    return [f"{limit.name} keeps {listing(list(limit.keep))}." for limit in evaluation.plan.limits]


def _sentence(evaluation: Evaluation, limit: PlannedLimit, own: pl.DataFrame) -> str:
    words = [" ".join([_WORDS.get(word := goal.split()[0], word), *goal.split()[1:]]) for goal in limit.goals]
    metric = listing(words)
    tried = pluralize(own["variant"].n_unique(), "variant")
    confirmed = own.filter(pl.col("smallest")).sort("ratio", descending=True)
    clean = own.filter((pl.col("clean_verdict") == MET) & pl.col("ratio").is_not_null()).sort("ratio", descending=True)
    if confirmed.is_empty() or confirmed["ratio"][0] is None:
        return f" has no confirmed smaller network in {metric} that keeps the conditions ({tried} tried)."
    best = confirmed.row(0, named=True)
    examples = pluralize(evaluation.plan.examples, "example")
    sentence = f" can be compressed {times(best['ratio'])} in {words[0]}"
    if len(limit.goals) > 1:
        second = confirmed.sort("second_ratio", descending=True, nulls_last=True).row(0, named=True)
        sentence += f" ({best['family']}) and {times(second['second_ratio'])} in {words[1]} ({second['family']})"
        sentence += f", of {pluralize(len(confirmed), 'network')} that no other one beats in both"
        return f"{sentence} ({tried}, confirmed on {examples})."
    if any(not text.startswith("clean_accuracy") for text in limit.keep) and len(clean):
        sentence += f" before its robustness breaks and {times(clean['ratio'][0])} before its accuracy does"
    return f"{sentence} ({best['family']}; {tried}, confirmed on {examples})."
