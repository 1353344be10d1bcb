"""One loop, `fit`, on Lightning Fabric; resumable bit for bit."""

from brinell.training.batches import Batch, Batches
from brinell.training.checkpoint import digest, histories
from brinell.training.evaluate import accuracy
from brinell.training.history import TRAINING_SCHEMA, Epoch, History, training_columns
from brinell.training.loop import AfterStep, Loss, fit, hold_out
from brinell.training.placement import choose_device
from brinell.training.settings import Train

__all__ = [
    "TRAINING_SCHEMA",
    "AfterStep",
    "Batch",
    "Batches",
    "Epoch",
    "History",
    "Loss",
    "Train",
    "accuracy",
    "choose_device",
    "digest",
    "fit",
    "histories",
    "hold_out",
    "training_columns",
]
