"""Clean accuracy of a module on a split."""

from __future__ import annotations

import torch
from torch import nn

from brinell.core import DataError
from brinell.data import Dataset
from brinell.nn import frozen_evaluation
from brinell.training.device import choose_device, on


def accuracy(
    module: nn.Module, data: Dataset, *, batch_size: int = 500, device: str | torch.device | None = None
) -> float:
    """Share of examples whose highest logit is their label's, in evaluation mode; the module's modes come back.

    Raises:
        DataError: there are no examples.
    """
    if not len(data):
        raise DataError(f"accuracy: {data.name}/{data.split} has no examples")
    place = choose_device(device)
    home = next((tensor.device for tensor in module.parameters()), place)
    split = on(data, place)
    correct = torch.zeros((), dtype=torch.int64, device=place)
    module.to(place)
    try:
        with frozen_evaluation(module), torch.inference_mode():
            for start in range(0, len(split), batch_size):
                chosen = slice(start, start + batch_size)
                images = split.images[chosen].to(place, torch.float32) / 255
                correct += (module(images).argmax(1) == split.labels[chosen]).sum()
    finally:
        module.to(home)
    return int(correct) / len(data)
