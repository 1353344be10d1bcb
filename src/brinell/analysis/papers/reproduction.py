"""Our value for whatever a paper printed: its interval and examples, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from brinell.analysis.evaluation import Evaluation
from brinell.analysis.labels import labels
from brinell.analysis.papers.published import (
    Attack,
    Attacked,
    Clean,
    Cost,
    Mapped,
    Paper,
    Reads,
    Spent,
    Transferred,
    paper,
    papers,
)
from brinell.analysis.records.probes import ActivationMaps, Energy
from brinell.analysis.significance.intervals import Z, wilson

NOBODY: Final = "no variant stands for this row"
"""Why a value is missing of which the study has no network."""


@dataclass(frozen=True)
class Value:
    """A value, its 95 % interval and what it was measured on; `why` says why it is unknown."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    examples: int | None = None
    attack: str | None = None
    """The study's name of the attack."""
    why: str = ""
    how: str = ""
    """How it came about, where that is not by measuring."""


@dataclass(frozen=True)
class Reproduction:
    """A run beside the paper that its study reproduces; `labels` are the variants that stand for printed rows."""

    paper: Paper
    evaluation: Evaluation
    labels: Mapping[str, str]

    def read(self, row: str, reads: Reads) -> Value:
        """What this run has for a row; shares are from 0 to 1."""
        if row not in self.labels:
            return Value(why=NOBODY)
        label = self.labels[row]
        match reads:
            case Clean():
                return self._clean(label, reads)
            case Cost():
                return self._cost(label, reads)
            case Attacked():
                return self._attacked(label, reads)
            case Transferred():
                return self._transferred(row, reads)
            case Mapped():
                return self._mapped(label, reads.steps)
            case Spent():
                return self._spent(label, reads)

    def points(self, label: str, attack: Attack) -> pl.DataFrame:
        """Readings of the first attack in the plan that is meant, on `label` itself, or of its trace."""
        epsilon = [] if attack.epsilon is None else [(pl.col("epsilon") - attack.epsilon).abs() < 1e-9]
        frame = self._traced if attack.traced else self._white_box
        for name in self._meant(attack):
            found = frame.filter(pl.col("attack") == name, pl.col("variant") == label, *epsilon)
            if attack.steps is not None:
                found = found.filter(pl.col("steps") == attack.steps)
            if len(found):
                return found
        return frame.clear()

    def last(self, label: str, attack: Attack) -> pl.DataFrame:
        """Of `points` those after most steps, where `attack` does not say after how many."""
        frame = self.points(label, attack)
        return frame.filter(pl.col("steps") == pl.col("steps").max()) if attack.steps is None else frame

    def missing(self, attack: Attack) -> str:
        """Why an attack has no reading."""
        if not self._meant(attack):
            return f"the study has no {'traced ' if attack.traced else ''}{attack.kind} like the paper's"
        return "not measured yet, or not read at this strength"

    def crossing(self, source: str, target: str, attack: Attack) -> dict[str, Any] | None:
        """The reading of a transfer between two labels, after most steps."""
        frame = self.evaluation.transfers.filter(
            pl.col("attack").is_in(self._of_kind(attack)), pl.col("source") == source, pl.col("target") == target
        )
        if attack.epsilon is not None:
            frame = frame.filter((pl.col("epsilon") - attack.epsilon).abs() < 1e-9)
        return frame.sort("steps").row(-1, named=True) if len(frame) else None

    @property
    def _white_box(self) -> pl.DataFrame:
        return self.evaluation.seed_means.filter(pl.col("crafted_on") == pl.col("variant"))

    @property
    def _traced(self) -> pl.DataFrame:
        """Traces as if each step were a reading."""
        frame = self.evaluation.traces
        bounds = [
            wilson(accuracy, examples) or (None, None)
            for accuracy, examples in frame.select("accuracy", "examples").iter_rows()
        ]
        return frame.rename({"step": "steps", "accuracy": "robust_accuracy"}).with_columns(
            pl.Series("robust_accuracy_low", [low for low, _ in bounds], dtype=pl.Float64),
            pl.Series("robust_accuracy_high", [high for _, high in bounds], dtype=pl.Float64),
        )

    def _of_kind(self, attack: Attack) -> list[str]:
        trials = self.evaluation.plan.trials
        return list(
            dict.fromkeys(
                trial.attack
                for trial in trials
                if trial.kind == attack.kind
                and attack.settings.items() <= trial.spec.items()
                and not (attack.traced and trial.trace_every is None)
            )
        )

    def _meant(self, attack: Attack) -> list[str]:
        """White-box attacks of this kind and settings, in the plan's order."""
        return [name for name in self._of_kind(attack) if name in self.evaluation.stresses]

    def _variant(self, label: str) -> dict[str, Any]:
        return self.evaluation.variants.filter(pl.col("variant") == label).row(0, named=True)

    def _clean(self, label: str, reads: Clean) -> Value:
        row = self._variant(label)
        share = row["clean_accuracy" if reads.top == 1 else "top5_accuracy"]
        if share is None:
            return Value(why="not measured yet")
        found = _share(share, row["examples"])
        if not reads.error or found.value is None or found.low is None or found.high is None:
            return found
        return Value(1 - found.value, 1 - found.high, 1 - found.low, found.examples)

    def _cost(self, label: str, reads: Cost) -> Value:
        row = self._variant(label)
        cost, into = row[reads.column], None if reads.into is None else row[reads.into]
        if cost is None or (reads.into is not None and (into is None or not cost)):
            made = row["state"] == "done"
            return Value(why="not known of this variant" if made else "the variant is not made")
        value = cost * reads.scale if into is None else into / cost
        return Value(value, value, value)

    def _attacked(self, label: str, reads: Attacked) -> Value:
        frame = self.last(label, reads.attack)
        column = {"label": "robust_accuracy" if reads.top == 1 else "top5_accuracy", "target": "target_accuracy"}
        if reads.of == "kept":
            right = pl.col("clean_accuracy") > 0
            frame = frame.filter(right).with_columns(kept=1 - pl.col("strain"), right=pl.col("clean_accuracy"))
        known = frame.drop_nulls(column.get(reads.of, "kept")) if len(frame) else frame
        if known.is_empty():
            return Value(why=self.missing(reads.attack))
        share, examples = known.select(pl.col(column.get(reads.of, "kept")).mean(), pl.col("examples").min()).row(0)
        base = round(examples * known["right"][0]) if reads.of == "kept" else examples
        return _share(min(1.0, share), base, examples, known["attack"][0])

    def _transferred(self, row: str, reads: Transferred) -> Value:
        source, target = (reads.source or row), (reads.target or row)
        for end in (source, target):
            if end not in self.labels:
                return Value(why=NOBODY)
        if source == target:
            return self._attacked(self.labels[row], Attacked(read="attack", attack=reads.attack, top=reads.top))
        found = self.crossing(self.labels[source], self.labels[target], reads.attack)
        share = None if found is None else found["accuracy" if reads.top == 1 else "top5_accuracy"]
        if found is None or share is None:
            return Value(why="no such transfer was measured")
        return _share(share, found["examples"], attack=found["attack"])

    def _mapped(self, label: str, steps: int) -> Value:
        for found in self.evaluation.probes.of(ActivationMaps):
            for reading in found.record.readings:
                if found.variant == label and reading.steps == steps:
                    if reading.mean is None:
                        return Value(reading.third_quartile, examples=1)
                    return Value(reading.mean, reading.low, reading.high, reading.examples)
        return Value(why="no activation maps of it")

    def _spent(self, label: str, reads: Spent) -> Value:
        record = next((item.record for item in self.evaluation.probes.of(Energy) if item.variant == label), None)
        figures = None if record is None else getattr(record, reads.column)
        if record is None or figures is None:
            return Value(why="no energy probe of it" if record is None else "its energy probe has none")
        how = "modelled, not measured" if record.source == "modelled" and reads.column != "time_s" else ""
        mean, spread = figures
        if reads.deviation or how:
            return Value(spread if reads.deviation else mean, examples=record.examples, how=how)
        error = Z * spread / math.sqrt(max(record.runs, 1))
        return Value(mean, max(0.0, mean - error), mean + error, record.examples)


def reproduction(evaluation: Evaluation) -> Reproduction | None:
    """The paper that the run's study names; `None` where it names none, or none that is known here.

    Of a variant made with several seeds the first stands for its row.

    Args:
        evaluation: Of the run.

    Returns:
        The paper and the variants that stand for its rows.
    """
    said = evaluation.plan.paper
    if said is None or said.kind not in papers():
        return None
    known, names = paper(said.kind), labels(evaluation.plan)
    first = {variant.name: names[variant.key] for variant in reversed(evaluation.plan.variants)}
    rows = {row: first[name] for name, row in said.rows.items() if row in known.rows and name in first}
    return Reproduction(known, evaluation, rows)


def _share(share: float, base: int, examples: int | None = None, attack: str | None = None) -> Value:
    """A share of `base` examples, of `examples` that were looked at."""
    low, high = wilson(share, base) or (None, None)
    return Value(share, low, high, base if examples is None else examples, attack)


def unknown_references(evaluation: Evaluation) -> list[str]:
    """What of the study's paper is not known here, in sentences: another version, or another hand, wrote it.

    Args:
        evaluation: Of the run.

    Returns:
        None where all is known.
    """
    said = evaluation.plan.paper
    if said is None:
        return []
    if said.kind not in papers():
        return [
            f"The comparison with the paper {said.kind!r} is left out: the papers known here are {', '.join(papers())}"
        ]
    known, variants = paper(said.kind).rows, {variant.name for variant in evaluation.plan.variants}
    return [
        f"{name!r} beside the paper's {row!r} is left out: there is no such {'row' if name in variants else 'variant'}"
        for name, row in said.rows.items()
        if row not in known or name not in variants
    ]
