"""How accurate a variant is on corrupted images: noise, blur, weather and digital damage, no attack.

Source: Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
ICLR 2019.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, TypedDict

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from brinell.core import choices
from brinell.probes.image_corruptions import CORRUPTIONS, corrupt, severity_set
from brinell.probes.probe import Probe, ProbeInput, ProbeResult, to_dtype_of

_PIXELS: Final = 1 << 21
"""Values that are corrupted and classified at once."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in CORRUPTIONS:
            raise ValueError(f"there is no {name!r}; {choices(name, list(CORRUPTIONS))}")
    return _once(names)


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value is repeated; accepted: each once")
    return values


class Reading(TypedDict):
    """Accuracy under one corruption at one severity."""

    corruption: str
    severity: int
    accuracy: float


class Corruptions(Probe):
    """Accuracy on the first `examples` under each corruption at each severity, and its mean.

    Every variant sees the same corrupted images. Corruptions are no attacks: nothing here is part of a worst case.
    The array `correct`, readings by images, says which images are right.

    Examples:
        >>> import brinell
        >>> len(brinell.probes.Corruptions(examples=100).corruptions)
        15
    """

    kind = "corruptions"
    random: ClassVar[bool] = True

    corruptions: Annotated[tuple[str, ...], AfterValidator(_known)] = Field(tuple(CORRUPTIONS), min_length=1)
    """Names of corruptions."""
    severities: Annotated[tuple[Annotated[int, Field(ge=1, le=5)], ...], AfterValidator(_once)] = Field(
        (1, 2, 3, 4, 5), min_length=1
    )
    """Severities, of 1 to 5."""
    examples: int = Field(500, ge=1)
    """Test images that are corrupted."""

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """Corrupt and classify."""
        network = asked.variant.deployed()
        pairs = [(name, severity) for name in self.corruptions for severity in self.severities]
        readings, correct = [], []
        for done, (name, severity) in enumerate(pairs):
            asked.progress("corruptions", done, len(pairs))
            correct.append(_correct(network, asked, name, severity))
            readings.append(Reading(corruption=name, severity=severity, accuracy=_share(correct[-1])))
        return ProbeResult(
            {
                "settings": severity_set(asked.images),
                "examples": len(asked.images),
                "clean_accuracy": _share(_correct(network, asked)),
                "mean_accuracy": sum(reading["accuracy"] for reading in readings) / len(readings),
                "readings": readings,
            },
            {"correct": torch.stack(correct).numpy()},
        )

    def passes(self) -> float:
        """One an image, corruption and severity, and one without corruption."""
        return float(self.examples * (1 + len(self.corruptions) * len(self.severities)))


def _correct(network: nn.Module, asked: ProbeInput, corruption: str | None = None, severity: int = 0) -> Tensor:
    """Which images the network gets right: `(N,)`, booleans."""
    size = max(1, _PIXELS // asked.images[0].numel())
    right = []
    parts: list[tuple[Tensor, ...]] = [values.split(size) for values in (asked.images, asked.labels, asked.ids)]
    for images, labels, ids in zip(*parts, strict=True):
        seen = images if corruption is None else corrupt(images, corruption, severity, ids, seed=asked.seed)
        with torch.inference_mode():
            right.append(network(to_dtype_of(network, seen)).argmax(1) == labels)
    return torch.cat(right)


def _share(correct: Tensor) -> float:
    return int(correct.sum()) / len(correct)
