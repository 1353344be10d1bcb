"""The answer before the evidence: which variant to take, which breaks first, which only looks robust, on what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import polars as pl

from brinell.analysis import CLEAN, TOLERANCE, WORST, Choice, Evaluation
from brinell.analysis.papers import Verdict, findings, reproduction
from brinell.reporting.describe import named, span
from brinell.reporting.formats import listing, percent, radius, size, stress, times, whole
from brinell.reporting.masking_text import evidence


@dataclass(frozen=True)
class Name:
    """A variant, named inside a sentence."""

    variant: str

    def __str__(self) -> str:
        return self.variant


Sentence = tuple[str | Name, ...]

_VERDICTS: Final[tuple[tuple[Verdict, str], ...]] = (
    ("holds", "found to hold here"),
    ("only by masked gradients", "holding only by masked gradients"),
    ("does not hold", "found not to"),
    ("undecided", "undecided"),
    ("not tested", "not tested"),
)

SPELT_OUT = 3
"""Suspects whose evidence is spelt out; more are only named."""


@dataclass(frozen=True)
class Summary:
    """The lead says what to take; notes are short paragraphs under a heading."""

    lead: tuple[Sentence, ...]
    notes: tuple[tuple[str, tuple[Sentence, ...]], ...]


def summary(evaluation: Evaluation) -> Summary:
    """Sentences that follow from the frames by fixed rules; each says the rule it rests on."""
    notes = (
        ("Breaks first", tuple(_breaking(evaluation))),
        ("Only looks robust?", tuple(_masked(evaluation))),
        ("Beside the paper", tuple(_reproduced(evaluation))),
        ("Measured on", tuple(_measured(evaluation))),
    )
    return Summary(tuple(_choices(evaluation)), tuple((title, text) for title, text in notes if text))


def _choices(evaluation: Evaluation) -> list[Sentence]:
    reference = evaluation.reference_radius
    if reference is None and not evaluation.readings.is_empty():
        return [("No attack was read at a radius, so there is no verdict; the security curves compare the distances.",)]
    if reference is None:
        return [("Nothing has been attacked yet, so there is no verdict.",)]
    robust = evaluation.at_reference.select("variant", "robust_accuracy")
    known = evaluation.variants.join(robust, on="variant", how="left")
    figures = {row["variant"]: row for row in known.iter_rows(named=True)}
    choices = sorted(evaluation.choices, key=lambda choice: (choice.variant is None, not choice.within))
    if not choices:
        return [("The study compresses nothing, so there is nothing to choose.",)]
    return [_choice(evaluation, choice, figures) for choice in choices]


def _choice(evaluation: Evaluation, choice: Choice, figures: dict[str, dict[str, float]]) -> Sentence:
    base = Name(choice.baseline)
    if not choice.measured:
        return ("No compressed variant of ", base, " is measured yet.")
    if choice.variant is None:
        return ("No measured variant of ", base, " is both smaller and above suspicion.")
    row, name = figures[choice.variant], Name(choice.variant)
    reference = evaluation.reference_radius
    within = radius(reference.epsilon, reference.norm) if reference else ""
    smaller = f"{times(choice.size_ratio)} smaller than the file of "
    figures_of = f"{percent(row['clean_accuracy'])} clean and {percent(row['robust_accuracy'])} robust accuracy"
    if choice.within:
        start = f" is the best trade-off: {size(row['encoded_bytes'])}, {smaller}"
        return (name, start, base, f", with {figures_of} within {within}; {_kept(evaluation, choice)}.")
    return (
        f"No compressed variant keeps within {100 * TOLERANCE:.0f} points of ",
        base,
        " both clean and robust. ",
        name,
        f" comes nearest, its file {times(choice.size_ratio)} smaller: {_kept(evaluation, choice)} within {within}.",
    )


def _kept(evaluation: Evaluation, choice: Choice) -> str:
    """How its losses are to be read: as none at all where the tests see none."""
    pairs = evaluation.pairs.filter((pl.col("variant") == choice.variant) & _at_reference(evaluation))
    same = {
        attack: (pairs.filter(pl.col("attack") == attack)["verdict"] == "no difference").to_list() == [True]
        for attack in (CLEAN, WORST)
    }
    if all(same.values()) and choice.within:
        return "no difference from its baseline in either"
    clean = f"{_change(choice.clean_loss)} clean{' (within chance)' if same[CLEAN] else ''}"
    robust = f"{_change(choice.robust_loss)} robust accuracy{' (within chance)' if same[WORST] else ''}"
    return f"it {clean} and {robust}"


def _change(loss: float) -> str:
    return f"{'gains' if loss < -0.0005 else 'gives up'} {_lost(abs(loss))}"


def _at_reference(evaluation: Evaluation) -> pl.Expr:
    reference = evaluation.reference_radius
    if reference is None:
        return pl.lit(True)
    at = (pl.col("norm") == reference.norm) & (pl.col("epsilon") == reference.epsilon)
    return at | (pl.col("attack") == CLEAN)


def _lost(loss: float) -> str:
    return f"{100 * loss:.1f} points of" if loss > 0.0005 else "no"


def _breaking(evaluation: Evaluation) -> list[Sentence]:
    """For each attack whose stress is swept: who falls to guessing first, who holds longest."""
    if evaluation.line >= 1:
        return [("Guessing is always right here, so nothing can be told of breaking.",)]
    sentences: list[Sentence] = []
    for (attack,), frame in evaluation.breaking.group_by("attack", maintain_order=True):
        norm = evaluation.seed_means.filter(pl.col("attack") == attack)["norm"][0]
        broken = frame.drop_nulls("breaking_stress").sort("breaking_stress")
        standing = [Name(name) for name in frame.filter(pl.col("breaking_stress").is_null())["variant"]]
        strongest = stress(frame["strongest"].max(), frame["quantity"][0], norm)  # type: ignore[arg-type]
        if broken.is_empty():
            sentences.append(
                (f"Under {attack} nothing falls to guessing ({percent(evaluation.line, 0)}) by {strongest}.",)
            )
            continue
        first, last = broken.row(0, named=True), broken.row(-1, named=True)
        start = (
            f"Under {attack} ",
            Name(first["variant"]),
            " falls to guessing first, at ",
            stress(first["breaking_stress"], first["quantity"], norm),
        )
        if standing:
            sentences.append((*start, "; ", *_joined(standing), f" not by {strongest}."))
        elif len(broken) > 1:
            end = stress(last["breaking_stress"], last["quantity"], norm)
            sentences.append((*start, "; ", Name(last["variant"]), f" last, at {end}."))
        else:
            sentences.append((*start, "."))
    return sentences


def _joined(names: list[Name]) -> list[str | Name]:
    if len(names) > 4:
        return [f"{len(names)} others"]
    parts: list[str | Name] = []
    for place, name in enumerate(names):
        parts += [] if place == 0 else [" and " if place == len(names) - 1 else ", "]
        parts.append(name)
    return parts


def _masked(evaluation: Evaluation) -> list[Sentence]:
    """What speaks against whose robustness: the probe's verdict where it was asked, the readings' signs otherwise."""
    probed = {found.variant: found.record for found in evaluation.probes.masking}
    if evaluation.readings.is_empty() and not probed:
        return []
    suspects = [name for name in evaluation.variants["variant"] if name in evaluation.suspects]
    asked = f" The probe asked {whole(len(probed), 'variant')}." if probed else ""
    blind = evaluation.readings.filter(pl.col("queries").is_not_null() | (pl.col("crafted_on") != pl.col("variant")))
    unasked = " Attacks without gradients were not consulted." if blind.is_empty() else ""
    if not suspects:
        return [
            (
                "No variant shows a sign of masked gradients: no share of zero gradients, no accuracy that rises with "
                f"epsilon, no single step that beats many.{asked or unasked}",
            )
        ]
    sentences: list[Sentence] = []
    for variant in suspects[:SPELT_OUT]:
        if variant in probed and probed[variant].masked:
            sentences.append((Name(variant), f" only looks robust. {probed[variant].summary}"))
            continue
        frame = evaluation.masking_signs.filter(pl.col("variant") == variant)
        found = [evidence(row) for row in frame.iter_rows(named=True)]
        sentences.append((Name(variant), f" may only look robust: {listing(found)}."))
    if more := suspects[SPELT_OUT:]:
        sentences.append(("So may ", *_joined([Name(variant) for variant in more]), "."))
    return sentences


def _reproduced(evaluation: Evaluation) -> list[Sentence]:
    """How many of the paper's claims hold here, where the study reproduces one."""
    ours = reproduction(evaluation)
    if ours is None:
        return []
    counts = Counter(item.verdict for item in findings(ours))
    said = [f"{counts[verdict]} {words}" for verdict, words in _VERDICTS if counts[verdict]]
    total = whole(counts.total(), "claim")
    return [(f"{total} of {ours.paper.name}: {listing(said)}. The table of findings says which and why.",)]


def _measured(evaluation: Evaluation) -> list[Sentence]:
    plan, coverage = evaluation.plan, evaluation.coverage
    attacks = list(evaluation.stresses)
    made = evaluation.variants.filter(pl.col("state") == "done").height
    sentences: list[Sentence] = []
    if evaluation.readings.is_empty():
        sentences.append((f"Planned: {whole(plan.examples, 'example')} of {plan.dataset}.",))
    else:
        counts = span(evaluation.readings["examples"])
        sentences.append(
            (
                f"{counts[0].upper()}{counts[1:]} of {plan.dataset}, {plan.classes} classes; "
                f"{whole(made, 'variant')} under {named(attacks)}.",
            )
        )
    planned, done = int(coverage["planned"].sum()), int(coverage["examples"].sum())
    if coverage.is_empty():
        sentences.append(("The plan holds no trials.",))
    elif done >= planned:
        lack = whole(len(evaluation.unanswered), "probe")
        said = (
            "Nothing is missing."
            if evaluation.unanswered.is_empty()
            else f"All trials are complete; {lack} unanswered."
        )
        sentences.append((said,))
    else:
        states = coverage.filter(pl.col("state") != "done")["state"].value_counts().sort("state").iter_rows()
        parts = listing([f"{count:,} {state}" for state, count in states])
        share = min(0.99, done / planned)  # never rounded up to all of it
        sentences.append((f"{percent(share, 0)} of what is planned is measured; trials not complete: {parts}.",))
    return sentences
