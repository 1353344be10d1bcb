"""How long tasks take, by measured passes of the models that their variants are made from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

from brinell.core import ConfigurationError
from brinell.study.config import CompressedVariant
from brinell.study.networks import load_module
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.study.tasks import Task

_BATCH: Final = 32
_SECONDS: Final = 0.5
_TASK: Final = 0.05
"""Seconds that a task takes besides its passes: reading, writing, a fresh network."""


def measured_seconds(study: Study, splits: Splits, tasks: Sequence[Task]) -> float:
    """Seconds that `tasks` take one after the other; a variant's passes are taken to last as those of its model.

    Args:
        study: The study.
        splits: Its data.
        tasks: Those to estimate.

    Returns:
        Seconds, from passes that are timed on this machine.

    Examples:
        >>> from brinell.study.reading import find
        >>> study = Study.from_yaml(find("quickstart"))
        >>> measured_seconds(study, Splits(study.data), [])
        0.0
    """
    images = splits.test.take(min(_BATCH, len(splits.test))).tensors()[0]
    of_model: dict[str, float] = {}
    total = 0.0
    for task in tasks:
        model = _model_of(study, task.variant.name)
        if model not in of_model:
            module = load_module(study.models[model], splits.test.input_shape, 0)
            of_model[model] = seconds_of_pass(module.eval(), images)
        total += task.passes * of_model[model] + _TASK
    return total


def seconds_of_pass(module: nn.Module, images: torch.Tensor, seconds: float = _SECONDS) -> float:
    """Seconds of a forward pass of one image, in the fastest of the batches that are computed in `seconds`."""
    fastest, began = float("inf"), time.perf_counter()
    with torch.inference_mode():
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            module(images)
            fastest = min(fastest, (time.perf_counter() - start) / len(images))
    return fastest


def _model_of(study: Study, variant: str) -> str:
    entry = study.variants.get(variant)
    while isinstance(entry, CompressedVariant):
        entry = study.variants.get(entry.parent)
    if entry is None:
        raise ConfigurationError(f"variants.{variant}: not in the study")
    return str(entry.model)
