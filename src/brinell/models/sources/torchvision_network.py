"""Networks of the library torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from brinell.core import ModelError, require
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.models.weights import load_weights


class TorchvisionNetwork(NetworkSource):
    """Any classifier of torchvision by its name; needs `brinell[torchvision]`.

    Images have the size, and are normalised by the mean and the deviation, that its weights declare (ImageNet's, where
    there are none); `mean` and `std` set others.

    Examples:
        >>> TorchvisionNetwork(name="resnet18", pretrained=True).kind
        'torchvision'
    """

    kind = "torchvision"

    name: str
    """Of the model there, such as `resnet18`."""
    pretrained: bool = False
    """Whether its default weights are fetched."""
    classes: int | None = Field(None, ge=1)
    """By default as many as the model has."""
    weights: Path | None = None
    """A checkpoint of your own."""

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network."""
        models = require("torchvision.models", extra="torchvision", setting="kind: torchvision")
        fields: dict[str, Any] = {} if self.classes is None else {"num_classes": self.classes}
        try:
            published = models.get_model_weights(self.name).DEFAULT
            network = models.get_model(self.name, weights=published if self.pretrained else None, **fields)
        except Exception as error:  # it fetches files and calls constructors, which raise whatever they meet
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"name: torchvision cannot build {self.name!r}: {reason}") from error
        if self.weights is not None:
            load_weights(network, self.weights)
        declared = published.transforms()
        size = (list(getattr(declared, "crop_size", None) or [224]) * 2)[:2]
        mean, std = (
            tuple(map(float, getattr(declared, name, usual)))
            for name, usual in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))
        )
        return self.loaded(network, input_shape or (3, int(size[0]), int(size[1])), mean, std)
