"""Attacks, one file each, and the harness that judges them."""

from brinell.attacks.apgd import APGD
from brinell.attacks.api import BrinellWarning, attack, warn_at_chance
from brinell.attacks.auto_attack import AutoAttack
from brinell.attacks.bim import BIM
from brinell.attacks.carlini_wagner import CarliniWagner
from brinell.attacks.ddn import DDN
from brinell.attacks.deepfool import DeepFool
from brinell.attacks.fab import FAB
from brinell.attacks.fgsm import FGSM
from brinell.attacks.fmn import FMN
from brinell.attacks.gen_attack import GenAttack
from brinell.attacks.harness.attack import ATTACKS, Attack, Batch, Crafted
from brinell.attacks.harness.diagnostics import Diagnostics
from brinell.attacks.harness.frozen_network import FrozenNetwork
from brinell.attacks.harness.outcome import Outcome
from brinell.attacks.harness.results import Columns, TrialResult
from brinell.attacks.harness.transfer import Adversarials, craft, judge_crafted, transfer
from brinell.attacks.harness.trial import clean_predictions, run_trial
from brinell.attacks.local_search import LocalSearch
from brinell.attacks.pgd import PGD
from brinell.attacks.square import Square

for _attack in (
    FGSM,
    BIM,
    PGD,
    APGD,
    AutoAttack,
    FAB,
    DDN,
    FMN,
    CarliniWagner,
    DeepFool,
    Square,
    LocalSearch,
    GenAttack,
):
    ATTACKS.register(_attack)

__all__ = [
    "APGD",
    "ATTACKS",
    "BIM",
    "DDN",
    "FAB",
    "FGSM",
    "FMN",
    "PGD",
    "Adversarials",
    "Attack",
    "AutoAttack",
    "Batch",
    "BrinellWarning",
    "CarliniWagner",
    "Columns",
    "Crafted",
    "DeepFool",
    "Diagnostics",
    "FrozenNetwork",
    "GenAttack",
    "LocalSearch",
    "Outcome",
    "Square",
    "TrialResult",
    "attack",
    "clean_predictions",
    "craft",
    "judge_crafted",
    "run_trial",
    "transfer",
    "warn_at_chance",
]
