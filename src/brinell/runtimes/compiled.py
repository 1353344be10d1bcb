"""A compiled network as a module: it checks its images, cuts them into batches, and verifies each program it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.runtimes.verification import Verifier

Images = NDArray[np.float32]
Program = Callable[[Images], Images]
"""Images `(N, C, H, W)` to logits `(N, classes)`, for the batch sizes that it was made for."""


class CompiledNetwork(nn.Module):
    """Images `(N, C, H, W)` in [0, 1] to logits `(N, classes)`, on the processor, without gradients.

    Args:
        runtime: name and version, for messages.
        build: makes the program for a batch size. It is called when a size is first needed.
        batch_sizes: sizes that programs are made for, ascending from 1; a batch is cut into these. With `dynamic`, one
            program takes any number of images up to the largest size.
        verification: what each program has to compute before it is used.

    A copy shares the programs. One network must not be called by two threads at once.
    """

    def __init__(
        self,
        runtime: str,
        build: Callable[[int | None], Program],
        *,
        batch_sizes: Sequence[int],
        dynamic: bool,
        verification: Verifier,
        kernels: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        super().__init__()
        self.runtime, self.batch_sizes, self.dynamic = runtime, tuple(batch_sizes), dynamic
        self._build, self._verification, self._programs = build, verification, dict[int | None, Program]()
        self._kernels = kernels
        self.program(None if dynamic else 1)

    @property
    def kernels(self) -> Mapping[str, int]:
        """How many operations run by which of the runtime's kernels, where it tells."""
        return self._kernels()

    def program(self, size: int | None) -> Program:
        """The verified program for batches of `size` images (`None`: of any number).

        Raises:
            UnsupportedError: it computes other logits than the reference.
        """
        if size not in self._programs:
            program = self._build(size)
            self._verification.check(program, size, self.runtime)
            self._programs[size] = program
        return self._programs[size]

    def forward(self, images: Tensor) -> Tensor:
        """Logits on the images' device.

        Raises:
            ModelError: not a batch of images of the shape that the network was compiled for.
        """
        batch = self._array(images)
        parts = [self.program(None if self.dynamic else len(part))(part) for part in self._split(batch)]
        logits = np.concatenate(parts) if parts else np.zeros((0, self._verification.classes), np.float32)
        return torch.from_numpy(logits).to(images.device)

    def _array(self, images: Any) -> Images:
        expected = self._verification.input_shape
        if not isinstance(images, Tensor) or images.dim() != 4 or tuple(images.shape[1:]) != expected:
            found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ModelError(
                f"{self.runtime} was compiled for images (N, {', '.join(map(str, expected))}), not {found}"
            )
        array: Images = images.detach().to("cpu", torch.float32).contiguous().numpy()
        return array

    def _split(self, batch: Images) -> list[Images]:
        parts, start = [], 0
        while start < len(batch):
            left = len(batch) - start
            size = min(left, self.batch_sizes[-1])
            if not self.dynamic:
                size = max(known for known in self.batch_sizes if known <= left)
            parts.append(batch[start : start + size])
            start += size
        return parts

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledNetwork:
        return self
