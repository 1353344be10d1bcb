"""Networks that return something else than logits `(N, classes)`: nothing but one clear error is right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, Small


class Pair(NamedTuple):
    logits: Tensor
    features: Tensor


@dataclass
class Record:
    logits: Tensor


class Output(Small):
    """Small, with something done to its logits."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Any:
        return self.change(super().forward(x))


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def _keyed(logits: Tensor) -> dict[str, Tensor]:
    return {"logits": logits}


def _ordered(logits: Tensor) -> OrderedDict[str, Tensor]:
    return OrderedDict(logits=logits)


def _pair(logits: Tensor) -> tuple[Tensor, Tensor]:
    return logits, logits


def _listed(logits: Tensor) -> list[Tensor]:
    return [logits]


def _named(logits: Tensor) -> Pair:
    return Pair(logits, logits)


def _recorded(logits: Tensor) -> Record:
    return Record(logits)


def _none(logits: Tensor) -> None:
    return None


def _percent(logits: Tensor) -> Tensor:
    return 100 * logits.softmax(1)


def _one(logits: Tensor) -> Tensor:
    return logits[:, :1]


class _OwnTensor(Tensor):
    pass


def _own_class(logits: Tensor) -> Tensor:
    return logits.as_subclass(_OwnTensor)


def _log_probabilities(logits: Tensor) -> Tensor:
    return logits.log_softmax(1)


def _double(logits: Tensor) -> Tensor:
    return logits.double()


def _strided(logits: Tensor) -> Tensor:
    return torch.stack([logits, logits], -1)[..., 0]


def _masked(logits: Tensor) -> Tensor:
    """A class that is never predicted."""
    return torch.cat([logits[:, :9], logits.new_full((len(logits), 1), -1e9)], 1)


def _far_from_zero(logits: Tensor) -> Tensor:
    return logits + 1e4


def _maps(logits: Tensor) -> Tensor:
    return logits[:, :, None, None]


def _classes(logits: Tensor) -> Tensor:
    return logits.argmax(1)


def _transposed(logits: Tensor) -> Tensor:
    return logits.T


def _summed(logits: Tensor) -> Tensor:
    return logits.sum(0, keepdim=True)


def _nan(logits: Tensor) -> Tensor:
    return logits * torch.nan


def _infinite(logits: Tensor) -> Tensor:
    return logits / 0


def _whole(logits: Tensor) -> Tensor:
    return logits.round().to(torch.int64)


def _complex(logits: Tensor) -> Tensor:
    return logits.to(torch.complex64)


_SHAPE = r"expected logits of shape"

NETWORKS = (
    *(
        OddNetwork(f"returns {name}", lambda change=change: Output(change).eval(), refused=pattern, gradient=False)
        for name, change, pattern in (
            ("a dictionary", _keyed, _SHAPE),
            ("an ordered dictionary", _ordered, _SHAPE),
            ("a tuple", _pair, _SHAPE),
            ("a list", _listed, _SHAPE),
            ("a named tuple", _named, _SHAPE),
            ("a record", _recorded, _SHAPE),
            ("nothing", _none, _SHAPE),
            ("maps of 1 x 1", _maps, _SHAPE),
            ("classes", _classes, _SHAPE),
            ("logits the wrong way round", _transposed, _SHAPE),
            ("one sum over the images", _summed, _SHAPE),
            ("probabilities", _softmax, "probabilities"),
            ("percentages", _percent, "probabilities"),
            ("one score", _one, "two classes or more"),
            ("NaN", _nan, "NaN"),
            ("infinities", _infinite, "infinite"),
            ("whole numbers", _whole, "int64"),
            ("complex numbers", _complex, "complex64"),
        )
    ),
    *(
        OddNetwork(f"returns {name}", lambda change=change: Output(change).eval())
        for name, change in (
            ("a tensor of its own class", _own_class),
            ("log-probabilities", _log_probabilities),
            ("float64", _double),
            ("strided logits", _strided),
            ("a class that is masked", _masked),
            ("logits far from zero", _far_from_zero),
        )
    ),
    OddNetwork(
        "takes other images",
        lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, CLASSES)).eval(),
        refused="does not take images",
    ),
    OddNetwork(
        "lazy layers that were not made",
        lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)).eval(),
        refused="lazy",
    ),
)
