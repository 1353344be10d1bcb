"""The optimiser that a training's settings name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from brinell.core import ModelError
from brinell.training.settings import Train


def build_optimizer(module: nn.Module, train: Train) -> Optimizer:
    """The optimiser of the parameters that require a gradient, with its state from the start, for a checkpoint to fill.

    Raises:
        ModelError: no parameter requires a gradient.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        raise ModelError("every parameter is frozen (requires_grad is False): there is nothing to train")
    fused = parameters[0].device.type in ("cpu", "cuda")
    shared: dict[str, Any] = {"lr": train.learning_rate, "weight_decay": train.weight_decay, "fused": fused}
    if train.optimizer == "sgd":
        optimizer: Optimizer = SGD(parameters, momentum=train.momentum, nesterov=train.nesterov, **shared)
        if train.momentum:
            for parameter in parameters:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    optimizer = AdamW(parameters, betas=(train.momentum, 0.999), **shared)
    for parameter in parameters:
        optimizer.state[parameter] |= {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer
