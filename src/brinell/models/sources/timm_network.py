"""Networks of the library timm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from brinell.core import ModelError, require
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.models.weights import load_weights


class TimmNetwork(NetworkSource):
    """Any classifier of timm by its name; needs `brinell[timm]`.

    Images have the size, and are normalised by the mean and the deviation, that the model declares there; `mean` and
    `std` set others.

    Examples:
        >>> TimmNetwork(name="resnet18.a1_in1k", pretrained=True).kind
        'timm'
    """

    kind = "timm"

    name: str
    """Of the model there, such as `resnet18.a1_in1k`."""
    pretrained: bool = False
    """Whether its weights are fetched from the hub."""
    classes: int | None = Field(None, ge=1)
    """By default as many as the model has."""
    weights: Path | None = None
    """A checkpoint of your own."""

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network."""
        timm = require("timm", extra="timm", setting="kind: timm")
        fields: dict[str, Any] = {} if self.classes is None else {"num_classes": self.classes}
        if input_shape is not None:
            fields["in_chans"] = input_shape[0]
        try:
            network = timm.create_model(self.name, pretrained=self.pretrained, **fields)
        except Exception as error:  # it fetches files and calls constructors, which raise whatever they meet
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"name: timm cannot build {self.name!r}: {reason}") from error
        if self.weights is not None:
            load_weights(network, self.weights)
        declared = getattr(network, "pretrained_cfg", None) or {}
        shape = input_shape or tuple(map(int, declared.get("input_size", (3, 224, 224))))
        mean, std = (tuple(map(float, declared[name])) if name in declared else None for name in ("mean", "std"))
        if mean is not None and len(mean) != shape[0]:
            mean = std = None
        return self.loaded(network, (shape[0], shape[1], shape[2]), mean, std)
