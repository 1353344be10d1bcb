"""Targets: which class an example is pushed towards, where one is."""

from __future__ import annotations

import torch
from torch import Tensor

from brinell.core import ConfigurationError, DataError
from brinell.nn import uniform


def drawn_targets(labels: Tensor, ids: Tensor, classes: int, seed: int) -> Tensor:
    """A class other than the label for each example, from (seed, example id): the same on every variant.

    Raises:
        ConfigurationError: there is no other class.
    """
    if classes < 2:
        raise ConfigurationError(f"targets: there is no other class to aim at; this model has {classes}")
    steps = (uniform(seed, "target", ids, (1,))[:, 0] * (classes - 1)).to(torch.int64)
    return (labels + 1 + steps) % classes


def check_targets(targets: Tensor | None, labels: Tensor, classes: int) -> Tensor | None:
    """Targets as int64, one other class for each example.

    Raises:
        DataError: no tensor of whole numbers, another shape, no class of the network, or a target that is the label.
    """
    if targets is None:
        return None
    if not isinstance(targets, Tensor):
        raise DataError(f"targets: expected a tensor of whole numbers, not {type(targets).__name__}")
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise DataError(f"targets: expected whole numbers (int64), not {targets.dtype}")
    if targets.shape != labels.shape:
        raise DataError(f"targets: expected shape {tuple(labels.shape)} as the labels have, not {tuple(targets.shape)}")
    targets = targets.to(labels.device, torch.int64)
    if outside := targets[(targets < 0) | (targets >= classes)].tolist():
        raise DataError(f"targets: expected 0 to {classes - 1}, found {outside[0]}")
    if same := int((targets == labels).sum()):
        raise DataError(f"targets: {same} of {len(labels)} equal their label; a target must be another class")
    return targets
