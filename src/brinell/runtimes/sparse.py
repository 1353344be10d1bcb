"""Pruned networks in PyTorch, with the layers whose zeros are worth leaving out computed by a kernel of their own."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.core import UnsupportedError, require
from brinell.nn import fold_batch_norms, replace
from brinell.runtimes.compiled import CompiledNetwork, Images
from brinell.runtimes.runtime import Runtime
from brinell.runtimes.sparse_kernel import SparseConv2d, supports_sparse
from brinell.runtimes.verification import Verifier, verification_images

_RUNS: Final = 5
"""Passes of a layer that is timed, of which the fastest counts."""


class Sparse(Runtime):
    """Convolutions with many zeros compute the others only; which layers do is measured when the network loads.

    A layer stays dense where that is faster on this machine. The kernel is compiled by Numba, for convolutions of
    stride 1.

    Examples:
        >>> import brinell
        >>> brinell.runtimes.Sparse(least_sparsity=0.8).batch
        4
    """

    kind = "sparse"
    needs: ClassVar[tuple[str, ...]] = ("numba",)
    extra: ClassVar[str] = "sparse"

    least_sparsity: float = Field(0.5, ge=0, lt=1)
    """Share of zeros from which a layer is tried at all."""
    batch: int = Field(4, ge=1)
    """Images that the layers are timed with."""

    def obstacle(self, module: nn.Module) -> str | None:
        """There has to be a layer to try."""
        if any(self._is_sparse(layer) for layer in module.modules()):
            return None
        return f"none of its convolutions of stride 1 has {self.least_sparsity:.0%} zeros"

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """Time each layer both ways, replace those that gain, verify.

        Raises:
            UnsupportedError: no layer is faster without its zeros.
        """
        numba = require("numba", extra=self.extra)
        network = fold_batch_norms(module)
        images = verification_images(input_shape, self.batch)
        replaced = 0
        for name, inputs in _inputs(network, self._is_sparse, images).items():
            dense = network.get_submodule(name)
            sparse = SparseConv2d(dense)  # type: ignore[arg-type]
            if _seconds(sparse, inputs) < _seconds(dense, inputs):
                replace(network, name, sparse)
                replaced += 1
        if not replaced:
            raise UnsupportedError("runtime: sparse gains nothing here: each layer is faster with its zeros")

        def run(images: Images) -> Images:
            with torch.inference_mode():
                logits: Images = np.asarray(network(torch.from_numpy(images)).numpy(), np.float32)
                return logits

        return CompiledNetwork(
            f"sparse (numba {numba.__version__})",
            lambda size: run,
            batch_sizes=(16,),
            dynamic=True,
            verification=Verifier(module, input_shape),
            kernels=lambda: {"sparse convolution": replaced},
        )

    def _is_sparse(self, layer: nn.Module) -> bool:
        if not supports_sparse(layer):
            return False
        weight: Any = layer.weight
        return float((weight == 0).float().mean()) >= self.least_sparsity


def _inputs(network: nn.Module, wanted: Any, images: Tensor) -> dict[str, Tensor]:
    """What each wanted layer is given when the network sees `images`."""
    seen: dict[str, Tensor] = {}
    handles = [
        layer.register_forward_pre_hook(lambda layer, inputs, name=name: seen.update({name: inputs[0].clone()}))
        for name, layer in network.named_modules()
        if wanted(layer)
    ]
    with torch.inference_mode():
        network(images)
    for handle in handles:
        handle.remove()
    return seen


def _seconds(layer: nn.Module, inputs: Tensor) -> float:
    taken = []
    with torch.inference_mode():
        for _ in range(_RUNS + 1):
            start = time.perf_counter()
            layer(inputs)
            taken.append(time.perf_counter() - start)
    return min(taken[1:])
