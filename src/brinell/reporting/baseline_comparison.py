"""Whether a variant's accuracies differ from its baseline's, in a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from brinell.analysis import CLEAN, NO_DIFFERENCE, WORST, Choice, Evaluation
from brinell.reporting.formats import count_range, listing


def compare_with_baseline(evaluation: Evaluation, choice: Choice) -> str:
    """How clean and robust accuracy differ from the baseline's, and whether so many examples show it."""
    found = {
        "clean accuracy": _difference(evaluation, choice, CLEAN, -choice.clean_loss),
        "robust accuracy": _difference(evaluation, choice, WORST, -choice.robust_loss),
    }
    clean, robust = found.values()
    if clean.is_untested_or_seen or robust.is_untested_or_seen:
        text = ", and ".join(f"{name} {each.sentence}" for name, each in found.items())
        return text[0].upper() + text[1:]
    on = (
        clean.examples
        if clean.examples == robust.examples
        else f"{clean.examples} (clean) and {robust.examples} (robust)"
    )
    return f"Neither accuracy is distinguishable from the baseline's on n = {on}"


@dataclass(frozen=True)
class _Difference:
    """Of one accuracy from the baseline's, and what paired tests say of it."""

    value: float
    verdicts: tuple[str, ...]
    """One for each training; none where nothing was tested."""
    examples: str

    @property
    def is_untested_or_seen(self) -> bool:
        """Whether there is more to say than that it is not distinguishable."""
        return not self.verdicts or NO_DIFFERENCE not in self.verdicts or len(set(self.verdicts)) > 1

    @property
    def sentence(self) -> str:
        """To follow the accuracy's name."""
        size = f"{100 * abs(self.value):.1f}"
        amount = "the same" if size == "0.0" else f"{size} points {'higher' if self.value > 0 else 'lower'}"
        if not self.verdicts:
            return f"is {amount} (not tested)"
        if len(self.verdicts) == 1 and self.verdicts[0] == NO_DIFFERENCE:
            return f"is not distinguishable from the baseline's on n = {self.examples} ({amount})"
        if len(self.verdicts) == 1:
            return f"is {amount}"
        counts = Counter("not distinguishable" if each == NO_DIFFERENCE else each for each in self.verdicts)
        tallies = listing([f"{each} in {count}" for each, count in counts.items()])
        return f"is {amount} on average ({tallies} of {len(self.verdicts)} trainings, n = {self.examples})"


def _difference(evaluation: Evaluation, choice: Choice, attack: str, value: float) -> _Difference:
    names = evaluation.names_of_labels
    of_name = pl.col("variant").replace(names) == choice.variant
    pairs = evaluation.pairs.filter(of_name & (pl.col("attack") == attack) & _at_reference(evaluation))
    return _Difference(value, tuple(pairs["verdict"]), count_range(pairs["examples"]))


def _at_reference(evaluation: Evaluation) -> pl.Expr:
    reference = evaluation.reference_radius
    if reference is None:
        return pl.lit(True)
    at = (pl.col("norm") == reference.norm) & (pl.col("epsilon") == reference.epsilon)
    return at | (pl.col("attack") == CLEAN)
