"""Targets: which class an example is pushed towards, where one is."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.harness.oracle import Oracle
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


Targets = Annotated[int, Field(ge=1)] | Literal["all"] | None
"""How many other classes an untargeted attack goes towards in turn, the likeliest first; `None`: none."""


def classes_in_turn(oracle: Oracle, images: Tensor, labels: Tensor, targets: Targets) -> list[Tensor] | list[None]:
    """The classes to go towards one after the other, `(N,)` each; one forward pass of the clean images orders them.

    Without `targets` there is one run, away from the label.
    """
    if targets is None:
        return [None]
    logits = oracle.logits(images)
    count = logits.shape[1] - 1 if targets == "all" else min(targets, logits.shape[1] - 1)
    return list(logits.scatter(1, labels[:, None], -torch.inf).topk(count, dim=1).indices.unbind(1))
