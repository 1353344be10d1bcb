"""`Evaluation`: everything that a run's folder says, as tidy frames, and what it does not say yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from brinell.analysis.collect import CLEAN, CollectedTables, collect_tables, concatenate
from brinell.analysis.coverage import coverage, variant_states
from brinell.analysis.labels import labels
from brinell.analysis.material.breaking import breaking_line
from brinell.analysis.material.strength import breaking_points, breaking_steps
from brinell.analysis.material.stress_axis import StressAxis, choose_stress_axis
from brinell.analysis.records.compressor_logs import CompressorLogs, compressor_logs
from brinell.analysis.records.diagnostics import COMPUTATION_SCHEMA, infinite_gradients
from brinell.analysis.records.probes import Masking, Probes, probes, unanswered
from brinell.analysis.records.training import notes, training
from brinell.analysis.records.variants import variants
from brinell.analysis.reference_radius import ReferenceRadius, reference_radius
from brinell.analysis.robustness.masking_signs import masking_signs
from brinell.analysis.robustness.readings import READING_SCHEMA
from brinell.analysis.robustness.security_curves import security
from brinell.analysis.robustness.seed_means import seed_means
from brinell.analysis.robustness.traces import TRACE_SCHEMA
from brinell.analysis.robustness.transfer import transferred_attacks, transfers
from brinell.analysis.robustness.worst_case import WORST_SCHEMA
from brinell.analysis.rows import first_line
from brinell.analysis.seed_summary import labels_of_names, names_of_labels, seed_summary
from brinell.analysis.significance.paired_tests import PAIR_SCHEMA
from brinell.analysis.significance.pairwise_counts import pairwise_counts
from brinell.analysis.techniques import boxes
from brinell.analysis.tradeoff import Choice, choose
from brinell.core import BrinellError, StudyPlan
from brinell.store import Failure, RunStore

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """Frames in the plan's order; a variant and its source go by their labels, which are unique."""

    plan: StudyPlan
    environment: Mapping[str, Any]
    line: float
    """The breaking line: accuracy of random guessing."""
    variants: pl.DataFrame
    """`VARIANT_SCHEMA`: every planned variant, its costs and clean accuracy."""
    readings: pl.DataFrame
    """`READING_SCHEMA`: each attack on each variant, each seed, each point; the clean ones stand in `variants`."""
    seed_means: pl.DataFrame
    """`RERUN_SCHEMA`: readings averaged over seeds."""
    stresses: Mapping[str, StressAxis]
    """The stress axis of each attack."""
    breaking: pl.DataFrame
    """`BREAKING_SCHEMA`: where each variant breaks under each attack, and its character."""
    breaking_steps: pl.DataFrame
    """`STEP_SCHEMA`: the first step under the line of attacks that were traced."""
    boxes: pl.DataFrame
    """`BOX_SCHEMA`: how each technique fares under each attack."""
    pairs: pl.DataFrame
    """`PAIR_SCHEMA`: each variant and its baseline; attacks include `clean` and `worst case`."""
    pairwise_counts: pl.DataFrame
    """`BETWEEN_SCHEMA`: every two variants, by the examples that only one of them gets right."""
    worst: pl.DataFrame
    """`WORST_SCHEMA`: the worst case per example at each radius."""
    reference_radius: ReferenceRadius | None
    """The radius for comparisons in one number."""
    masking_signs: pl.DataFrame
    """`SIGN_SCHEMA`: what speaks against a variant's robustness."""
    computations: pl.DataFrame
    """`COMPUTATION_SCHEMA`: how each attack's numbers were computed, where its files say it."""
    traces: pl.DataFrame
    """`TRACE_SCHEMA`: loss and accuracy along the steps."""
    transfers: pl.DataFrame
    """`TRANSFER_SCHEMA`: adversarials made on one variant, judged on another."""
    security: pl.DataFrame
    """`SECURITY_SCHEMA`: accuracy against distance, from minimum-norm attacks."""
    training: pl.DataFrame
    """`TRAINING_SCHEMA`: every epoch of every variant's training."""
    probes: Probes
    """What the probes found."""
    unanswered: pl.DataFrame
    """`PROBE_SCHEMA`: probes without an answer."""
    notes: Mapping[str, tuple[dict[str, Any], ...]]
    """What the steps that made a variant noted."""
    compressor_logs: CompressorLogs
    """What of that is drawn: searches for rates, what layers keep, surgery on masks."""
    coverage: pl.DataFrame
    """`COVERAGE_SCHEMA`: what is measured and what is missing."""
    problems: tuple[str, ...]
    """What was left out and why, in sentences."""

    @property
    def suspects(self) -> frozenset[str]:
        """Variants whose robustness may be masked gradients: their readings show signs of it, or the probe says so."""
        return frozenset(self.masking_signs["variant"]) | {
            found.variant for found in self.probes.of(Masking) if found.record.masked
        }

    @property
    def doubtful(self) -> frozenset[str]:
        """Variants that no figure calls strong or a good trade-off: suspects, and those with a remark on their rows."""
        remarked = self.computations.filter(pl.col("remarks").list.len() > 0)
        return self.suspects | frozenset(remarked["variant"])

    @property
    def at_reference(self) -> pl.DataFrame:
        """`WORST_SCHEMA`, at the reference; empty where nothing was read at a radius."""
        if self.reference_radius is None:
            return self.worst.clear()
        norm, epsilon = self.reference_radius.norm, self.reference_radius.epsilon
        return self.worst.filter((pl.col("norm") == norm) & (pl.col("epsilon") == epsilon))

    @property
    def choices(self) -> list[Choice]:
        """The best trade-off at the reference, for each baseline; none where nothing was read at a radius.

        Variants of several seeds are chosen by the means over their trainings, under their names.
        """
        if self.reference_radius is None:
            return []
        names = self.names_of_labels
        return choose(self.seed_summary, {names[label] for label in self.doubtful})

    @property
    def names_of_labels(self) -> dict[str, str]:
        """By label the variant's name, which trainings of several seeds share."""
        return names_of_labels(self.plan, labels(self.plan))

    @property
    def labels_of_names(self) -> dict[str, tuple[str, ...]]:
        """By the variant's name the labels of its trainings."""
        return labels_of_names(self.plan, labels(self.plan))

    @property
    def seed_summary(self) -> pl.DataFrame:
        """`SEED_SUMMARY_SCHEMA`: each name once, whatever its number of seeds; robust accuracy at the reference."""
        robust = self.at_reference.select("variant", "robust_accuracy")
        joined = self.variants.join(robust, on="variant", how="left", maintain_order="left")
        return seed_summary(joined, self.names_of_labels)


def load(store: RunStore) -> Evaluation:
    """Read a run, however much of it there is. A file that cannot be read is left out and named in `problems`.

    Args:
        store: Of the run.

    Returns:
        Every table of the analysis.

    Raises:
        StoreError: `study.json`, without which nothing else has a meaning, is missing or damaged.
    """
    plan = store.plan()
    names = labels(plan)
    measured = collect_tables(store, plan, names)
    failures: dict[str, Failure] = _or_nothing("Failures are", store.failures, {}, store, measured.problems)
    states = variant_states(plan, _made(store, plan, measured.problems), failures, names)
    every = concatenate(measured.readings, READING_SCHEMA)
    attacked = _planned_order(every.filter(pl.col("kind") != CLEAN), plan, names)
    table = variants(store, plan, names, states, every, measured.problems)
    line, can_break = breaking_line(plan.classes), _can_break(plan, measured.problems)
    worst, traced, computations = _of_all_trials(measured)
    averaged, stresses = seed_means(attacked), _stresses(plan)
    said = notes(store, plan, names, measured.problems)
    return Evaluation(
        plan=plan,
        environment=_or_nothing("The environment is", store.environment, {}, store, measured.problems),
        line=line,
        variants=table,
        readings=attacked,
        seed_means=averaged,
        stresses=stresses,
        breaking=breaking_points(averaged.filter(can_break), stresses, line),
        breaking_steps=breaking_steps(traced.filter(can_break), averaged, line),
        boxes=boxes(averaged.filter(pl.col("attack").is_in(list(stresses))), table),
        pairs=concatenate(measured.pairs, PAIR_SCHEMA),
        pairwise_counts=pairwise_counts(measured.outcomes),
        worst=worst,
        reference_radius=reference_radius(worst, attacked, table, line),
        masking_signs=pl.concat([masking_signs(averaged, line), infinite_gradients(computations)]),
        computations=computations,
        traces=traced,
        transfers=transfers(averaged, plan),
        security=security(measured.distances),
        training=training(store, plan, names, measured.problems),
        probes=probes(store, plan, names, measured.problems),
        unanswered=unanswered(store, plan, names, failures),
        notes=said,
        compressor_logs=compressor_logs(said, measured.problems),
        coverage=coverage(plan, names, states, measured.examples, failures),
        problems=tuple(dict.fromkeys(measured.problems)),
    )


def _or_nothing(what: str, read: Callable[[], T], nothing: T, store: RunStore, problems: list[str]) -> T:
    """What is read; where it cannot be, `nothing`, and a sentence on it."""
    try:
        return read()
    except BrinellError as error:
        problems.append(f"{what} left out: {first_line(store, error)}")
        return nothing


def _of_all_trials(measured: CollectedTables) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The worst cases, the traces and the diagnostics of computations, each as one table."""
    return (
        concatenate(measured.worst, WORST_SCHEMA),
        concatenate(measured.traces, TRACE_SCHEMA),
        concatenate(measured.computations, COMPUTATION_SCHEMA),
    )


def _made(store: RunStore, plan: StudyPlan, problems: list[str]) -> set[str]:
    found = set()
    for variant in plan.variants:
        try:
            if store.has_variant(variant.key):
                found.add(variant.key)
        except BrinellError as error:
            problems.append(f"Variants are left out: {first_line(store, error)}")
    return found


def _can_break(plan: StudyPlan, problems: list[str]) -> bool:
    """Whether there is a breaking line under a right answer's 100 %."""
    if plan.classes < 2:
        problems.append(
            f"Breaking is left out: of {plan.classes} class{'' if plan.classes == 1 else 'es'}, which the study has, "
            "guessing is always right, and nothing can break"
        )
    return plan.classes > 1


def _stresses(plan: StudyPlan) -> dict[str, StressAxis]:
    """Of attacks on the network that is judged; what is crafted on another shows in the matrix of transfers."""
    crossing = transferred_attacks(plan)
    attacks = [trial for trial in plan.trials if trial.kind != CLEAN and trial.attack not in crossing]
    return {trial.attack: choose_stress_axis(trial.points, trial.paper_axis) for trial in attacks}


def _planned_order(readings: pl.DataFrame, plan: StudyPlan, names: Mapping[str, str]) -> pl.DataFrame:
    """Attack by attack, variants in the study's order, strengths ascending."""
    attacks = {name: place for place, name in enumerate(dict.fromkeys(trial.attack for trial in plan.trials))}
    variants = {names[variant.key]: place for place, variant in enumerate(plan.variants)}
    return readings.sort(
        pl.col("attack").replace_strict(attacks, return_dtype=pl.Int64),
        pl.col("variant").replace_strict(variants, return_dtype=pl.Int64),
        pl.col("crafted_on").replace_strict(variants, return_dtype=pl.Int64),
        "epsilon",
        "steps",
        "seed",
    )
