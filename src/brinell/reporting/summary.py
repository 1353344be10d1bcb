"""The summary at the top of the page: best trade-off, least robust variant, masked gradients, numbers of examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from brinell.analysis import TOLERANCE, Choice, Evaluation
from brinell.analysis.papers import Verdict, findings, reproduction
from brinell.analysis.records.probes import Masking
from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, requirements
from brinell.core.records import REMARKS
from brinell.reporting.baseline_comparison import compare_with_baseline
from brinell.reporting.describe import named, span, worst_case_over
from brinell.reporting.formats import listing, percent, pluralize, radius, size, stress, times
from brinell.reporting.limit_sentences import limit_conditions, limit_sentences
from brinell.reporting.masking_text import evidence
from brinell.reporting.speed_up import smallest_file_speed


@dataclass(frozen=True)
class Name:
    """Name of a variant within a sentence."""

    variant: str

    def __str__(self) -> str:
        return self.variant


Sentence = tuple[str | Name, ...]

_VERDICTS: Final[tuple[tuple[Verdict, str], ...]] = (
    ("holds", "hold here"),
    ("only by masked gradients", "hold only by masked gradients"),
    ("does not hold", "do not hold"),
    ("undecided", "undecided"),
    ("not tested", "not tested"),
)

SPELT_OUT = 3
"""Number of suspected variants with evidence; further ones are listed by name."""


@dataclass(frozen=True)
class Summary:
    """`lead` is what its limits found or, without limits, the best trade-off of each baseline; `notes` are short
    paragraphs under a heading."""

    lead: tuple[Sentence, ...]
    notes: tuple[tuple[str, tuple[Sentence, ...]], ...]


def summary(evaluation: Evaluation) -> Summary:
    """Sentences derived from the frames by fixed rules."""
    limits = tuple((Name(name), rest) for name, rest in limit_sentences(evaluation))
    trade_offs = tuple(_choices(evaluation))
    notes = (
        ("Check the study", tuple(_remarks(evaluation))),
        ("Conditions", tuple((text,) for text in limit_conditions(evaluation))),
        ("Best trade-off", trade_offs if limits else ()),
        ("Requirements", tuple(_requirements(evaluation))),
        ("Robust accuracy", tuple(_robust(evaluation))),
        ("Least robust", tuple(_breaking(evaluation))),
        ("Masked gradients", tuple(_masked(evaluation))),
        ("Reproduction", tuple(_reproduced(evaluation))),
        ("Measured on", tuple(_measured(evaluation))),
    )
    return Summary(limits or trade_offs, tuple((title, text) for title, text in notes if text))


def _choices(evaluation: Evaluation) -> list[Sentence]:
    reference = evaluation.reference_radius
    if reference is None and not evaluation.readings.is_empty():
        return [("No attack was read at a radius, so no best trade-off is given; see the security curves.",)]
    if reference is None:
        return [("No attack is finished yet, so no best trade-off is given.",)]
    figures = {row["variant"]: row for row in evaluation.seed_summary.iter_rows(named=True)}
    choices = sorted(evaluation.choices, key=lambda choice: (choice.variant is None, not choice.within))
    if not choices:
        return [("The study has no compressed variant, so no best trade-off is given.",)]
    return [
        sentence
        for choice in choices
        for sentence in (_choice(evaluation, choice, figures), *_speed(evaluation, choice.baseline))
    ]


def _speed(evaluation: Evaluation, baseline: str) -> list[Sentence]:
    """Whether the smallest file also runs faster, where that was timed."""
    found = smallest_file_speed(evaluation, baseline)
    return [] if found is None else [("The smallest file, ", Name(found[0]), f", {found[1]}.")]


def _choice(evaluation: Evaluation, choice: Choice, figures: dict[str, dict[str, float]]) -> Sentence:
    base = Name(choice.baseline)
    if not choice.measured:
        return ("No compressed variant of ", base, " is measured yet.")
    if choice.variant is None:
        return ("No measured variant of ", base, " is smaller and free of signs of masked gradients.")
    row, name = figures[choice.variant], Name(choice.variant)
    reference = evaluation.reference_radius
    within = radius(reference.epsilon, reference.norm) if reference else ""
    figures_of = f"{percent(row['clean_accuracy'])} clean and {percent(row['robust_accuracy'])} robust accuracy"
    means = f" (means of {row['measured']} trainings)" if row["trainings"] > 1 else ""
    compared = compare_with_baseline(evaluation, choice)
    if choice.within:
        file = f"{size(row['encoded_bytes'])}, {times(choice.size_ratio)} smaller than the file of "
        result = f", with {figures_of} within {within}{means}. {compared}."
        return (name, f" is the best trade-off: {file}", base, result)
    return (
        f"No compressed variant is within {100 * TOLERANCE:.0f} points of ",
        base,
        " in both clean and robust accuracy. ",
        name,
        f" is nearest, with a file {times(choice.size_ratio)} smaller and {figures_of} within {within}{means}. "
        f"{compared}.",
    )


def _remarks(evaluation: Evaluation) -> list[Sentence]:
    """What in the study is probably not meant."""
    found = evaluation.environment.get(REMARKS)
    planned = {variant.key for variant in evaluation.plan.variants}
    remarks = found.items() if isinstance(found, Mapping) else ()
    return [(f"{text}.",) for key, text in remarks if key in planned and isinstance(text, str)]


def _robust(evaluation: Evaluation) -> list[Sentence]:
    """Which attacks it is over, and on how many examples."""
    reference, worst = evaluation.reference_radius, evaluation.at_reference
    if reference is None or not (worst["examples"] > 0).any():
        return []
    return [(f"The worst case within {radius(reference.epsilon, reference.norm)} {worst_case_over(worst)}.",)]


def _breaking(evaluation: Evaluation) -> list[Sentence]:
    """For each attack with swept stress: the variants with the smallest and the largest breaking stress."""
    if evaluation.line >= 1:
        return [("With one class guessing is always correct, so no breaking stress is defined.",)]
    sentences: list[Sentence] = []
    for (attack,), trainings in evaluation.breaking.group_by("attack", maintain_order=True):
        frame = _over_seeds(evaluation, trainings)
        norm = evaluation.seed_means.filter(pl.col("attack") == attack)["norm"][0]
        broken = frame.drop_nulls("breaking_stress").sort("breaking_stress")
        standing = [Name(name) for name in frame.filter(pl.col("breaking_stress").is_null())["variant"]]
        strongest = stress(frame["strongest"].max(), frame["quantity"][0], norm)  # type: ignore[arg-type]
        if broken.is_empty():
            sentences.append(
                (
                    f"Under {attack} no variant falls to the accuracy of guessing "
                    f"({percent(evaluation.line, 0)}) by {strongest}.",
                )
            )
            continue
        first, last = broken.row(0, named=True), broken.row(-1, named=True)
        start = (
            f"Under {attack} ",
            Name(first["variant"]),
            " is the first to fall to the accuracy of guessing, at ",
            stress(first["breaking_stress"], first["quantity"], norm),
        )
        if standing:
            sentences.append((*start, "; ", *_joined(standing), f" not up to {strongest}."))
        elif len(broken) > 1:
            end = stress(last["breaking_stress"], last["quantity"], norm)
            sentences.append((*start, "; ", Name(last["variant"]), f" last, at {end}."))
        else:
            sentences.append((*start, "."))
    return sentences


def _over_seeds(evaluation: Evaluation, breaking: pl.DataFrame) -> pl.DataFrame:
    """One row a name: the mean breaking stress, null where a training does not break."""
    names = evaluation.names_of_labels
    all_break = pl.col("breaking_stress").is_not_null().all()
    return breaking.group_by(pl.col("variant").replace(names), maintain_order=True).agg(
        pl.when(all_break).then(pl.col("breaking_stress").mean()).alias("breaking_stress"),
        pl.col("quantity").first(),
        pl.col("strongest").max(),
    )


def _requirements(evaluation: Evaluation) -> list[Sentence]:
    """Variants that meet every requirement, and how many verdicts are which."""
    frame = requirements(evaluation)
    if frame.is_empty():
        return []
    counts = Counter(frame["verdict"])
    verdicts = listing([f"{counts[verdict]} {verdict}" for verdict in (MET, NOT_MET, UNDECIDED) if counts[verdict]])
    of_variant = frame.drop_nulls("variant").group_by("variant", maintain_order=True).agg(pl.col("verdict"))
    whole_sets = [Name(name) for name, found in of_variant.iter_rows() if set(found) == {MET}]
    start: Sentence = (f"{pluralize(len(frame), 'verdict')}: {verdicts}. ",)
    if not whole_sets:
        return [(*start, "No variant meets every requirement.")]
    return [(*start, *_joined(whole_sets), f" {'meets' if len(whole_sets) == 1 else 'meet'} every requirement.")]


def _joined(names: list[Name]) -> list[str | Name]:
    if len(names) > 4:
        return [f"{len(names)} others"]
    parts: list[str | Name] = []
    for place, name in enumerate(names):
        parts += [] if place == 0 else [" and " if place == len(names) - 1 else ", "]
        parts.append(name)
    return parts


def _masked(evaluation: Evaluation) -> list[Sentence]:
    """Variants with masked gradients by the probe, or with signs of masking in the readings."""
    probed = {found.variant: found.record for found in evaluation.probes.of(Masking)}
    if evaluation.readings.is_empty() and not probed:
        return []
    suspects = [name for name in evaluation.variants["variant"] if name in evaluation.suspects]
    probes = f" The masking probe tested {pluralize(len(probed), 'variant')}." if probed else ""
    blind = evaluation.readings.filter(pl.col("queries").is_not_null() | (pl.col("crafted_on") != pl.col("variant")))
    unprobed = " No score-based or transfer attack was run." if blind.is_empty() else ""
    if not suspects:
        return [
            (
                "No variant shows signs of masked gradients: no zero gradients, no accuracy that rises with "
                f"epsilon, no single step that is stronger than many.{probes or unprobed}",
            )
        ]
    sentences: list[Sentence] = []
    for variant in suspects[:SPELT_OUT]:
        if variant in probed and probed[variant].masked:
            sentences.append((Name(variant), f" has masked gradients. {probed[variant].summary}"))
            continue
        frame = evaluation.masking_signs.filter(pl.col("variant") == variant)
        found = [evidence(row) for row in frame.iter_rows(named=True)]
        sentences.append((Name(variant), f" may have masked gradients: {listing(found)}."))
    if more := suspects[SPELT_OUT:]:
        sentences.append(("The same applies to ", *_joined([Name(variant) for variant in more]), "."))
    return sentences


def _reproduced(evaluation: Evaluation) -> list[Sentence]:
    """How many claims of the reproduced paper hold."""
    ours = reproduction(evaluation)
    if ours is None:
        return []
    counts = Counter(item.verdict for item in findings(ours))
    results = [f"{counts[verdict]} {words}" for verdict, words in _VERDICTS if counts[verdict]]
    total = pluralize(counts.total(), "claim")
    return [(f"{total} of {ours.paper.name}: {listing(results)}. The table of findings has the evidence.",)]


def _measured(evaluation: Evaluation) -> list[Sentence]:
    plan, coverage = evaluation.plan, evaluation.coverage
    attacks = list(evaluation.stresses)
    made = evaluation.variants.filter(pl.col("state") == "done").height
    sentences: list[Sentence] = []
    if evaluation.readings.is_empty():
        sentences.append((f"Planned: {pluralize(plan.examples, 'example')} of {plan.dataset}.",))
    else:
        counts = span(evaluation.readings["examples"])
        sentences.append(
            (
                f"{counts[0].upper()}{counts[1:]} of {plan.dataset}, {plan.classes} classes; "
                f"{pluralize(made, 'variant')} under {named(attacks)}.",
            )
        )
    planned, done = int(coverage["planned"].sum()), int(coverage["examples"].sum())
    if coverage.is_empty():
        sentences.append(("The plan has no trials.",))
    elif done >= planned:
        lack = pluralize(len(evaluation.unanswered), "probe")
        state = (
            "Nothing is missing." if evaluation.unanswered.is_empty() else f"All trials are complete; {lack} missing."
        )
        sentences.append((state,))
    else:
        states = coverage.filter(pl.col("state") != "done")["state"].value_counts().sort("state").iter_rows()
        parts = listing([f"{count:,} {state}" for state, count in states])
        share = min(0.99, done / planned)  # never rounded up to all of it
        sentences.append((f"{percent(share, 0)} of the planned readings are measured; incomplete trials: {parts}.",))
    return sentences
