"""The fastest runtime that is installed, can run the network, and computes what the reference computes."""

from __future__ import annotations

import time
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.core import ConfigurationError, UnsupportedError
from brinell.runtimes.onnxruntime import ONNXRuntime
from brinell.runtimes.openvino import OpenVINO
from brinell.runtimes.reference import Reference
from brinell.runtimes.runtime import Runtime
from brinell.runtimes.sparse import Sparse
from brinell.runtimes.verification import verification_images

_CANDIDATES: Final[tuple[type[Runtime], ...]] = (Reference, OpenVINO, ONNXRuntime, Sparse)


class Auto(Runtime):
    """Compile the network with every runtime that is there, time each on random images, and keep the fastest.

    Which one that is may differ between machines and between two calls: rows and keys need a name.

    Examples:
        >>> import brinell
        >>> brinell.runtimes.Auto().runs
        5
    """

    kind = "auto"
    stable: ClassVar[bool] = False

    batch: int = Field(8, ge=1)
    """Images a pass that is timed."""
    runs: int = Field(5, ge=1)
    """Passes, of which the fastest counts."""
    candidates: ClassVar[tuple[type[Runtime], ...]] = _CANDIDATES

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """The fastest; the reference where no other runtime takes the network."""
        networks = []
        for candidate in self.candidates:
            try:
                networks.append(candidate().deploy(module, input_shape))
            except (ConfigurationError, UnsupportedError):  # not installed, not for this network, or wrong here
                continue
        if len(networks) == 1:  # such as one of float64, which takes no image that others are timed with
            return networks[0]
        images = verification_images(input_shape, self.batch)
        return min(networks, key=lambda network: self._seconds(network, images))

    def _seconds(self, network: nn.Module, images: Tensor) -> float:
        taken = []
        with torch.inference_mode():
            for _ in range(self.runs + 1):
                start = time.perf_counter()
                network(images)
                taken.append(time.perf_counter() - start)
        return min(taken[1:])
