"""Convolutions whose zero weights are left out, compiled by Numba for this processor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.core import require

_TILE: Final = 512
"""Output numbers at a time: with four rows of inputs they fit a processor's first cache."""


def supports_sparse(layer: nn.Module) -> bool:
    """Whether `SparseConv2d` takes the layer's shape: any kernel with stride 1, of one group, padded by zeros."""
    return (
        type(layer) is nn.Conv2d
        and layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


class SparseConv2d(nn.Module):
    """A convolution of stride 1 with time proportional to its non-zero weights. It has no gradient.

    A padded image is a row of numbers in which each weight meets its inputs at a constant distance from its outputs, so
    that one weight is one multiplication of a row by a number. The last columns of each row mean nothing and are cut
    off.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        weight = layer.weight.detach().float().contiguous()
        self.kernel_size, self.padding = layer.kernel_size, (int(layer.padding[0]), int(layer.padding[1]))
        filters, index = weight.flatten(1).nonzero(as_tuple=True)
        self.values: NDArray[np.float32] = weight.flatten(1)[filters, index].numpy()
        self.starts: NDArray[np.int64] = np.searchsorted(filters.numpy(), np.arange(len(weight) + 1))
        area = layer.kernel_size[0] * layer.kernel_size[1]
        self.channels, self.taps = (index // area).numpy(), (index % area).numpy()
        bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach().float()
        self.bias: NDArray[np.float32] = bias.numpy()
        self._offsets: dict[tuple[int, int], NDArray[np.int64]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H', W')`, float32, contiguous."""
        (above, beside), (tall, wide) = self.padding, self.kernel_size
        padded = F.pad(x.float(), (beside, beside, above, above)).contiguous()
        count, _, height, width = padded.shape
        if (height, width) not in self._offsets:
            offsets = self.channels * (height * width) + self.taps // wide * width + self.taps % wide
            self._offsets[height, width] = offsets.astype(np.int64)
        flat = F.pad(padded.view(count, -1), (0, wide))  # the last window of the last row reaches that far beyond
        rows = height - tall + 1
        out = torch.empty(count, len(self.bias), rows * width)
        arguments = (flat.numpy(), self.values, self._offsets[height, width], self.starts, self.bias, out.numpy())
        _in_threads(_kernel(), len(self.bias), arguments)
        return out.view(count, len(self.bias), rows, width)[..., : width - wide + 1].contiguous()


def _in_threads(kernel: Callable[..., None], filters: int, arguments: tuple[Any, ...]) -> None:
    threads = min(torch.get_num_threads(), filters)
    if threads == 1:
        kernel(*arguments, 0, filters)
        return
    borders = [filters * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:  # the kernel releases the interpreter's lock
        for done in [pool.submit(kernel, *arguments, *part) for part in pairwise(borders)]:
            done.result()


@cache
def _kernel() -> Callable[..., None]:
    """The compiled loop. It is kept in memory only: no folder has to be writable, and nothing stored is trusted."""
    numba = require("numba", extra="sparse")
    compiled: Callable[..., None] = numba.njit(nogil=True, fastmath={"contract"})(_loop)
    return compiled


def _loop(
    images: Any, values: Any, offsets: Any, starts: Any, bias: Any, out: Any, first: int, last: int
) -> None:  # pragma: no cover - compiled
    length = out.shape[2]
    for image in range(images.shape[0]):
        row = images[image]
        for filter in range(first, last):
            begin, end = starts[filter], starts[filter + 1]
            for start in range(0, length, _TILE):
                size = min(_TILE, length - start)
                total = out[image, filter, start : start + size]
                total[:] = bias[filter]
                k = begin
                while k + 4 <= end:
                    v0, v1, v2, v3 = values[k], values[k + 1], values[k + 2], values[k + 3]
                    a0, a1 = offsets[k] + start, offsets[k + 1] + start
                    a2, a3 = offsets[k + 2] + start, offsets[k + 3] + start
                    r0, r1 = row[a0 : a0 + size], row[a1 : a1 + size]
                    r2, r3 = row[a2 : a2 + size], row[a3 : a3 + size]
                    for j in range(size):
                        total[j] += v0 * r0[j] + v1 * r1[j] + v2 * r2[j] + v3 * r3[j]
                    k += 4
                while k < end:
                    r0, v0 = row[offsets[k] + start : offsets[k] + start + size], values[k]
                    for j in range(size):
                        total[j] += v0 * r0[j]
                    k += 1
