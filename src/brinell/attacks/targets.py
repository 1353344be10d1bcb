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


def check_targets(targets: Tensor | None, labels: Tensor) -> None:
    """Refuse targets that are not one other class for each example.

    Raises:
        DataError: another shape, or a target that is the label.
    """
    if targets is None:
        return
    if targets.shape != labels.shape:
        raise DataError(f"targets: expected shape {tuple(labels.shape)} as the labels have, not {tuple(targets.shape)}")
    if same := int((targets == labels).sum()):
        raise DataError(f"targets: {same} of {len(labels)} equal their label; a target must be another class")
