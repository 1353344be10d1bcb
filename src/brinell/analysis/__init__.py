"""From rows to tidy frames: accuracies, strain, intervals, paired tests, worst cases; and what is missing. No torch."""

from brinell.analysis.collect import CLEAN, WORST, norm_of
from brinell.analysis.evaluation import Evaluation, load
from brinell.analysis.load_rows import load_rows
from brinell.analysis.material.breaking import breaking_line, breaking_strain, breaking_stress
from brinell.analysis.material.character import DUCTILE, STRONG, classify_character, mean_retention, transition_width
from brinell.analysis.material.stress_axis import StressAxis
from brinell.analysis.reference_radius import ReferenceRadius
from brinell.analysis.robustness.masking_signs import ZERO_GRADIENTS
from brinell.analysis.significance.intervals import wilson
from brinell.analysis.significance.paired_tests import NO_DIFFERENCE, SIGNIFICANCE, mcnemar
from brinell.analysis.techniques import UNCOMPRESSED
from brinell.analysis.tradeoff import TOLERANCE, Choice, choose, front

__all__ = [
    "CLEAN",
    "DUCTILE",
    "NO_DIFFERENCE",
    "SIGNIFICANCE",
    "STRONG",
    "TOLERANCE",
    "UNCOMPRESSED",
    "WORST",
    "ZERO_GRADIENTS",
    "Choice",
    "Evaluation",
    "ReferenceRadius",
    "StressAxis",
    "breaking_line",
    "breaking_strain",
    "breaking_stress",
    "choose",
    "classify_character",
    "front",
    "load",
    "load_rows",
    "mcnemar",
    "mean_retention",
    "norm_of",
    "transition_width",
    "wilson",
]
