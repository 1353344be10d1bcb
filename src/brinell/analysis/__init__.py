"""From rows to tidy frames: accuracies, strain, intervals, paired tests, worst cases; and what is missing. No torch."""

from brinell.analysis.breaking import breaking_line, breaking_strain, breaking_stress
from brinell.analysis.evaluation import Evaluation, load
from brinell.analysis.intervals import wilson
from brinell.analysis.measure import CLEAN, WORST
from brinell.analysis.pairs import SIGNIFICANCE, mcnemar
from brinell.analysis.reference import Reference
from brinell.analysis.signs import ZERO_GRADIENTS
from brinell.analysis.stress import Stress
from brinell.analysis.tradeoff import TOLERANCE, Choice, choose, front

__all__ = [
    "CLEAN",
    "SIGNIFICANCE",
    "TOLERANCE",
    "WORST",
    "ZERO_GRADIENTS",
    "Choice",
    "Evaluation",
    "Reference",
    "Stress",
    "breaking_line",
    "breaking_strain",
    "breaking_stress",
    "choose",
    "front",
    "load",
    "mcnemar",
    "wilson",
]
