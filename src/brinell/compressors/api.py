"""`brinell.compress`: one compressor, one network, one variant."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from brinell.compressors.compressor import Compressor
from brinell.core import DataError, Progress, no_progress
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
    """Compress `model`, which maps images in [0, 1] to logits; neither it nor a `Variant` given for it is changed.

    `train_data` is the training split, from `brinell.data.build`. `device` is the GPU, where there is one, by default.
    With a folder as `checkpoint`, the same call goes on from there after a kill.

    Raises:
        ConfigurationError, ModelError, DataError, DivergenceError, StoreError: see `Compressor.compress`.
    """
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
