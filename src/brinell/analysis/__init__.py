"""From rows to tidy frames: accuracies, strain, intervals, paired tests, worst cases; and what is missing. No torch."""

from brinell.analysis.breaking import breaking_line, breaking_strain, breaking_stress
from brinell.analysis.character import DUCTILE, STRONG, character, ductility, toughness
from brinell.analysis.evaluation import Evaluation, load
from brinell.analysis.intervals import wilson
from brinell.analysis.measure import CLEAN, WORST, norm_of
from brinell.analysis.pairs import SIGNIFICANCE, mcnemar
from brinell.analysis.reference import Reference
from brinell.analysis.signs import ZERO_GRADIENTS
from brinell.analysis.stress import Stress
from brinell.analysis.techniques import UNCOMPRESSED
from brinell.analysis.tradeoff import TOLERANCE, Choice, choose, front

__all__ = [
    "CLEAN",
    "DUCTILE",
    "SIGNIFICANCE",
    "STRONG",
    "TOLERANCE",
    "UNCOMPRESSED",
    "WORST",
    "ZERO_GRADIENTS",
    "Choice",
    "Evaluation",
    "Reference",
    "Stress",
    "breaking_line",
    "breaking_strain",
    "breaking_stress",
    "character",
    "choose",
    "ductility",
    "front",
    "load",
    "mcnemar",
    "norm_of",
    "toughness",
    "wilson",
]
