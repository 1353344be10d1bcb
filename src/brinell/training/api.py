"""`fit`: train a network; Lightning Fabric gives the device and the precision."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.core import ConfigurationError, DataError, Progress, keep_freed_memory, no_progress
from brinell.data import Dataset
from brinell.nn import set_layout
from brinell.training.batch import Batch, Loss
from brinell.training.checkpoint import Checkpoint, identity
from brinell.training.device import choose_device, dataset_on_device, isolated, override_dropout_probability
from brinell.training.history import History
from brinell.training.loop import AfterStep, TrainingLoop
from brinell.training.settings import Train


def fit(
    module: nn.Module,
    data: Dataset,
    train: Train,
    *,
    seed: int,
    loss: Loss | None = None,
    after_step: AfterStep | None = None,
    held: Dataset | None = None,
    device: str | torch.device | None = None,
    checkpoint: Path | None = None,
    context: str = "",
    progress: Progress = no_progress,
    label: str = "training",
) -> History:
    """Train `module` in place; it is returned to evaluation mode and to its device.

    Parameters that do not require a gradient are not changed, nor are the statistics of a batch norm whose parameters
    are all frozen, or which is in evaluation mode where `module` is in training mode. The global random state is not
    changed.

    Under `torchrun` every process calls this function and computes its share of every batch. All processes end with
    the same weights, and the first one writes the checkpoints; batch norm normalises each share separately.

    Args:
        module: Network from images in [0, 1] to logits.
        data: Training examples.
        train: Training settings.
        seed: Seed of the order of examples and of augmentation.
        loss: Loss of a batch; by default cross-entropy.
        after_step: Called after each step of the optimiser, to restore constrained weights.
        held: Examples for the accuracy after each epoch; by default `train.holdout` examples of `data`.
        device: By default the GPU, if there is one.
        checkpoint: Folder of this training (created if needed). After an interruption the same call resumes and ends
            with the same weights, bit for bit, on the same machine with the same number of threads. A finished training
            returns immediately.
        context: Description of other inputs of the result, such as `loss`; a checkpoint with another one is refused.
        progress: Callback, called with the number of examples done.
        label: Name of the training in `progress`.

    Returns:
        Loss, learning rate, accuracy and time of each epoch.

    Raises:
        ConfigurationError: Batches too small for the number of processes; `train.dropout` for a network without
            dropout; `train.distillation` without a loss that has a teacher.
        DataError: Fewer than two examples, or none after the holdout.
        ModelError: The module does not accept the images, or has fewer logits than there are classes.
        DivergenceError: The loss is not finite; the checkpoint is an earlier one.
        StoreError: `checkpoint` cannot be written, is damaged, or is of another training.

    Examples:
        >>> import brinell
        >>> model, data = brinell.models.build("resnet8", width=4), brinell.data.build("digits", examples=50)
        >>> history = fit(model, data, brinell.training.Train(epochs=2, batch_size=25), seed=0)
        >>> [epoch.epoch for epoch in history.epochs]
        [1, 2]
    """
    if train.distillation is not None and loss is None:
        raise ConfigurationError("train.distillation: there is no teacher here; only a compressor's training has one")
    if held is None:
        data, held = hold_out(data, train, seed)
    if len(data) < 2:
        raise DataError(f"training needs at least 2 examples, not {len(data)}")
    place = choose_device(device)
    home = next((tensor.device for tensor in module.parameters()), place)
    saved = (
        None
        if checkpoint is None
        else Checkpoint(Path(checkpoint), label, identity(module, data, train, seed, context))
    )
    with keep_freed_memory(), isolated(place), override_dropout_probability(module, train.dropout):
        module.to(place)
        try:
            loss = loss or _cross_entropy(train)
            if train.adversarial is not None:
                loss = train.adversarial.mixed(loss, module, seed, bf16=train.precision == "bf16")
            run = TrainingLoop(module, dataset_on_device(data, place), train, seed, loss, after_step, held, place)
            return History(label, tuple(run.recalibrated(run.train_all(saved, progress, label))))
        finally:
            set_layout(module.eval().to(home), torch.contiguous_format)


def hold_out(data: Dataset, train: Train, seed: int) -> tuple[Dataset, Dataset | None]:
    """Split `data` into training examples and `train.holdout` held-out examples (`None` if there are none).

    Args:
        data: The training split.
        train: The setting `holdout` is how many examples are held out.
        seed: Decides which.

    Returns:
        Both parts; together they are `data`.

    Raises:
        DataError: No training example would remain.

    Examples:
        >>> import brinell
        >>> data = brinell.data.build("digits", examples=50)
        >>> rest, held = hold_out(data, brinell.training.Train(holdout=10), seed=0)
        >>> len(rest), len(held)
        (40, 10)
    """
    kept, held = data.holdout(train.holdout, seed)
    return (kept, held) if len(held) else (data, None)


def _cross_entropy(train: Train) -> Loss:
    def loss(module: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(module(batch.images), batch.labels, label_smoothing=train.label_smoothing)

    return loss
