"""Attacks, one file each, and the harness that judges them."""

from brinell.attacks.attack import Attack, Batch, Crafted
from brinell.attacks.fgsm import FGSM
from brinell.attacks.pgd import PGD
from brinell.attacks.trial import TrialResult, clean_predictions, run_trial
from brinell.attacks.verb import BrinellWarning, Outcome, attack, warn_at_chance
from brinell.core import Registry

ATTACKS: Registry[Attack] = Registry("attack", FGSM, PGD)

__all__ = [
    "ATTACKS",
    "FGSM",
    "PGD",
    "Attack",
    "Batch",
    "BrinellWarning",
    "Crafted",
    "Outcome",
    "TrialResult",
    "attack",
    "clean_predictions",
    "run_trial",
    "warn_at_chance",
]
