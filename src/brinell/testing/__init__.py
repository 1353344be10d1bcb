"""Contract tests for attacks and compressors of other packages, and problems with known answers to test on."""

from brinell.testing.attack_rules import ATTACK_RULES
from brinell.testing.check_members import check_attack, check_compressor
from brinell.testing.compressor_rules import COMPRESSOR_RULES
from brinell.testing.example_networks import ImageProblem, digits_variant, image_problem, residual_network
from brinell.testing.linear_problems import LinearNetwork, LinearProblem, many_classes, two_classes
from brinell.testing.rules import BrokenRuleError, Rule

__all__ = [
    "ATTACK_RULES",
    "COMPRESSOR_RULES",
    "BrokenRuleError",
    "ImageProblem",
    "LinearNetwork",
    "LinearProblem",
    "Rule",
    "check_attack",
    "check_compressor",
    "digits_variant",
    "image_problem",
    "many_classes",
    "residual_network",
    "two_classes",
]
