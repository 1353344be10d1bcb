"""One loop, `fit`, on Lightning Fabric; resumable bit for bit."""

from brinell.training.adversarial import Adversarial
from brinell.training.api import fit, hold_out
from brinell.training.batch import Batch, Loss
from brinell.training.batches import Batches
from brinell.training.checkpoint import digest, histories
from brinell.training.checkpoint_intervals import checkpoint_intervals
from brinell.training.device import check_logits, choose_device
from brinell.training.distillation import Distillation, divergence
from brinell.training.distributed import ProcessGroup, process_group
from brinell.training.evaluate import accuracy
from brinell.training.history import TRAINING_SCHEMA, Epoch, History, training_columns
from brinell.training.loop import AfterStep
from brinell.training.recalibration import recalibrate
from brinell.training.settings import Train

__all__ = [
    "TRAINING_SCHEMA",
    "Adversarial",
    "AfterStep",
    "Batch",
    "Batches",
    "Distillation",
    "Epoch",
    "History",
    "Loss",
    "ProcessGroup",
    "Train",
    "accuracy",
    "check_logits",
    "checkpoint_intervals",
    "choose_device",
    "digest",
    "divergence",
    "fit",
    "histories",
    "hold_out",
    "process_group",
    "recalibrate",
    "training_columns",
]
