"""Whether a compiled network computes what PyTorch computes, on a few images, before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.core import UnsupportedError
from brinell.nn import BinaryLayer

_IMAGES: Final = 4

_CLOSE: Final = 1e-3
"""Of the largest logit: what sums in another order may differ by."""

_FLIPPED: Final = 0.05
"""The same where activations are signs or whole numbers: a last bit of a sum can turn one, and what follows from it."""


class Verifier:
    """Images, and the logits that a compiled network has to give for them.

    Args:
        module: the reference.
        input_shape: of its images.
        rounded: whether activations are rounded to a few levels.

    Raises:
        UnsupportedError: the network takes no float32, or draws random numbers.
    """

    def __init__(self, module: nn.Module, input_shape: Sequence[int], *, rounded: bool | None = None) -> None:
        self.input_shape = tuple(input_shape)
        self.images = verification_images(input_shape, _IMAGES)
        try:
            with torch.inference_mode():
                self.logits: Tensor = module(self.images.clone()).detach().float().clone()
                again = module(self.images.clone()).float()
        except RuntimeError as error:  # one of another type than float32, for instance
            reason = str(error).partition("\n")[0]
            raise UnsupportedError(f"runtime: the network does not take images of float32: {reason}") from None
        if not torch.allclose(again, self.logits, rtol=_CLOSE, atol=_CLOSE, equal_nan=True):
            raise UnsupportedError("runtime: the network draws random numbers, which a runtime would draw only once")
        binary = any(isinstance(part, BinaryLayer) for part in module.modules())
        self.rounded = binary if rounded is None else rounded

    @property
    def classes(self) -> int:
        """Logits an image."""
        return self.logits.shape[1]

    def check(self, program: Callable[[NDArray[Any]], NDArray[Any]], size: int | None, runtime: str) -> None:
        """Run `program` on the images, `size` at a time.

        Raises:
            UnsupportedError: its logits are others than the reference's; the message names `runtime`.
        """
        size = size or _IMAGES
        count = -(-_IMAGES // size) * size
        images = self.images.repeat(-(-count // _IMAGES), 1, 1, 1)[:count]
        found = np.concatenate([program(part.contiguous().numpy()) for part in images.split(size)])[:_IMAGES]
        problem = describe_logit_difference(torch.from_numpy(found), self.logits, rounded=self.rounded)
        if problem is not None:
            raise UnsupportedError(
                f"runtime: {runtime} computes a wrong result on this machine and is not used: {problem}; "
                "use another version of it, or runtime 'reference'"
            )


def verification_images(input_shape: Sequence[int], count: int) -> Tensor:
    """Seeded images with contrasts from uniform grey to noise, which cause different activations.

    Args:
        input_shape: Channels, height, width.
        count: Number of images.

    Returns:
        `(count, C, H, W)` in [0, 1].

    Examples:
        >>> verification_images((3, 8, 8), 4).shape
        torch.Size([4, 3, 8, 8])
    """
    draw = torch.Generator().manual_seed(0)
    contrast = torch.linspace(0.1, 1, count).view(-1, 1, 1, 1)
    return 0.5 + contrast * (torch.rand(count, *input_shape, generator=draw) - 0.5)


def describe_logit_difference(found: Tensor, expected: Tensor, *, rounded: bool) -> str | None:
    """Compare logits of a runtime with expected ones.

    The difference of an image is its largest absolute difference relative to the largest logit of all images. A float
    network must agree on every image. With `rounded` activations the last bit of a sum can change an activation, so
    half of the images may differ more, and all slightly.

    Args:
        found: Logits of the runtime, `(N, classes)`.
        expected: Logits of PyTorch, `(N, classes)`.
        rounded: The network has binary or int8 activations.

    Returns:
        A description of the difference, or `None` if the logits agree.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 2.0]])
        >>> describe_logit_difference(logits, logits, rounded=False) is None
        True
    """
    if found.shape != expected.shape:
        return f"it gives logits of shape {tuple(found.shape)}, and the reference {tuple(expected.shape)}"
    distances = (found - expected).flatten(1).abs().amax(1) / expected.abs().max().clamp_min(1e-6)
    distances = torch.where(distances.isfinite(), distances, torch.inf)
    typical = float(distances.median() if rounded else distances.max())
    if typical <= (_FLIPPED if rounded else _CLOSE):
        return None
    return (
        f"its logits differ from the reference's on {len(found)} test images by up to {float(distances.max()):.2g} "
        "of the largest logit"
    )
