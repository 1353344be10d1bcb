"""`brinell.compress`: one compressor, one network, one variant."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from brinell.compressors.compressor import Compressor
from brinell.core import ConfigurationError, DataError, Progress, no_progress
from brinell.data import Dataset
from brinell.variants import Variant


def compress(
    model: nn.Module | Variant,
    compressor: Compressor,
    *,
    train_data: Dataset,
    seed: int = 0,
    device: str | torch.device | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Variant:
    """Compress a network; neither `model` nor its weights are changed.

    Args:
        model: Module from images in [0, 1] to logits, or a `Variant`.
        compressor: The compressor.
        train_data: Training split, from `brinell.data`.
        seed: Seed of everything that is random.
        device: By default the GPU, if there is one.
        checkpoint: Folder from which the same call resumes after an interruption.
        progress: Callback, called with the number of examples done.

    Returns:
        The compressed variant.

    Raises:
        ConfigurationError, ModelError, DataError, DivergenceError, StoreError: See `Compressor.compress`.

    Examples:
        >>> import brinell
        >>> data = brinell.data.build("digits", examples=100)
        >>> train = brinell.training.Train(epochs=1, batch_size=50)
        >>> model = brinell.models.build("resnet8", width=4)
        >>> variant = brinell.compress(model, brinell.compressors.FineTune(train=train), train_data=data)
        >>> [step.kind for step in variant.lineage]
        ['fine_tune']
    """
    if not isinstance(compressor, Compressor):
        shown = getattr(compressor, "__name__", type(compressor).__name__)
        raise ConfigurationError(f"compressor: expected a compressor's value, such as {shown}(), not {shown}")
    if not isinstance(train_data, Dataset):
        shown = type(train_data).__name__
        raise DataError(
            f"train_data: expected a data set (brinell.data.build or brinell.data.from_tensors), not {shown}"
        )
    variant = model
    if isinstance(variant, nn.Module):
        variant = Variant.of(variant, input_shape=train_data.input_shape, classes=train_data.classes)
    folder = None if checkpoint is None else Path(checkpoint)
    return compressor.compress(
        variant, train_data, seed=seed, device=device, checkpoint=folder, progress=progress or no_progress
    )
