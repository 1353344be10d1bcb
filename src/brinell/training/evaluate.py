"""Clean accuracy of a module on a split."""

from __future__ import annotations

import torch
from torch import nn

from brinell.core import DataError
from brinell.data import Dataset
from brinell.nn import frozen_evaluation
from brinell.training.device import choose_device, dataset_on_device


def accuracy(
    module: nn.Module, data: Dataset, *, batch_size: int = 500, device: str | torch.device | None = None
) -> float:
    """Share of examples whose highest logit is that of their label, in evaluation mode.

    Args:
        module: Network from images in [0, 1] to logits; its training modes are restored.
        data: The examples.
        batch_size: Images of a forward pass.
        device: By default the GPU, if there is one.

    Returns:
        The accuracy in [0, 1].

    Raises:
        DataError: There are no examples.

    Examples:
        >>> import brinell
        >>> model = brinell.models.build("resnet8", width=4)
        >>> 0 <= accuracy(model, brinell.data.build("digits", split="test", examples=10)) <= 1
        True
    """
    if not len(data):
        raise DataError(f"accuracy: {data.name}/{data.split} has no examples")
    place = choose_device(device)
    home = next((tensor.device for tensor in module.parameters()), place)
    split = dataset_on_device(data, place)
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
