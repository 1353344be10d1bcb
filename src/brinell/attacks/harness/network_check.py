"""The first look at a network: whether it maps images to logits at all, and what it needs to be called with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from brinell.core import BrinellError, ModelError
from brinell.nn import same_random_numbers

_ONE_TENSOR = "; return the logits alone, or wrap the model in a module whose forward picks them"
_OTHERS_OF_ITS_BATCH = (
    "each image's logits depend on the others of its batch, so that no figure of it is any image's own"
)
_REPEATED: Final = 1e-4
"""What logits may differ by, of their spread, at a second call."""
_SATURATED: Final = 0.9
"""Size of what a tanh returns, above which less than a fifth of its slope is left."""
_ALONE: Final = 0.02
"""What logits may differ by, of their spread, between batches of several sizes, whose sums are in another order."""


@dataclass(frozen=True)
class NetworkTraits:
    """`classes`: how many logits it returns; `takes`: the type of its images; `writes`: it changes them; `random`: it
    draws random numbers; `remarks`: what makes figures of it doubtful."""

    classes: int
    takes: torch.dtype
    writes: bool
    random: bool
    remarks: tuple[str, ...]

    @property
    def fast_forms(self) -> bool:
        """Whether other forms can be compared with it at all: random numbers fall differently, half types round."""
        return self.takes == torch.float32 and not self.random


def check_network(network: nn.Module | Callable[[Tensor], Tensor], images: Tensor) -> NetworkTraits:
    """Call `network` on a few float32 `images` `(k, C, H, W)`.

    Raises:
        ModelError: it does not take such images, or does not return finite logits `(k, classes)`.
    """
    failure: Exception | None = None
    for takes in _types(network):
        given = images.to(takes, copy=True)
        version = given._version
        try:
            with same_random_numbers(images.device), torch.no_grad():
                before = _generators(images)
                logits = network(given)
                draws = before != _generators(images)
        except BrinellError:
            raise
        except Exception as error:  # a forward pass of a user's may raise anything
            failure = failure or error
            continue
        classes = check_logits(logits, len(images)).shape[1]
        writes = given._version != version or not torch.equal(given, images.to(takes))
        remarks = [*_of_batch_norms(network), *_of_logits(logits)]
        if not remarks and not draws:
            remarks = _of_repeated_calls(network, images.to(takes, copy=True), logits)
        return NetworkTraits(classes, takes, writes, draws, tuple(remarks))
    shape = tuple(images.shape[1:])
    reason = f"{type(failure).__name__}: {' '.join(str(failure).split())[:300]}"
    raise ModelError(f"model: it does not take images (C, H, W) = {shape}: {reason}") from failure


def check_logits(logits: object, count: int) -> Tensor:
    """Logits as they have to be, of `count` images.

    Raises:
        ModelError: they are not; the message says what was found.
    """
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != count:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else f"{type(logits).__name__}{_ONE_TENSOR}"
        raise ModelError(f"model: expected logits of shape ({count}, classes), not {found}")
    if not logits.is_floating_point() or logits.layout is not torch.strided:
        kind = logits.dtype if logits.layout is torch.strided else f"{logits.layout} (a dense tensor is accepted)"
        raise ModelError(f"model: expected logits of a floating-point type, not {kind}")
    if logits.shape[1] < 2:
        raise ModelError(
            f"model: expected logits of two classes or more, not {logits.shape[1]}; of one score return two, such as "
            "torch.cat([-score, score], 1) / 2"
        )
    if not bool(torch.isfinite(logits).all()):
        bad = int((~torch.isfinite(logits).all(1)).sum())
        raise ModelError(f"model: logits are NaN or infinite for {bad} of {count} images")
    return logits


def _types(network: object) -> list[torch.dtype]:
    """The types of images to try: that of all its weights, if it is one, before float32."""
    if not isinstance(network, nn.Module):
        return [torch.float32]
    tensors = [*network.parameters(), *network.buffers()]
    own = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return [*(own if len(own) == 1 else ()), *(() if own == {torch.float32} else (torch.float32,))]


def _generators(images: Tensor) -> tuple[Any, ...]:
    """The states of the generators that a network may draw from."""
    on_device = bytes(torch.cuda.get_rng_state(images.device).numpy()) if images.is_cuda else b""
    kind, keys, *rest = np.random.get_state()  # the global one, because networks use that
    return bytes(torch.get_rng_state().numpy()), on_device, random.getstate(), kind, bytes(np.asarray(keys)), *rest


def _of_batch_norms(network: object) -> list[str]:
    for name, part in network.named_modules() if isinstance(network, nn.Module) else ():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and (part.running_mean is None or part.training):
            why = "has no running statistics" if part.running_mean is None else "stays in training mode"
            return [f"the batch norm {name} {why}: {_OTHERS_OF_ITS_BATCH}"]
    return []


def _of_logits(logits: Tensor) -> list[str]:
    size = logits.abs()
    if bool((size > 1).any()):
        return []
    if not bool((logits < 0).any()):
        function, limits, found = "sigmoid", "0 and 1", bool((logits > 0.5).any())
    else:
        function, limits, found = "tanh", "-1 and 1", bool((size > _SATURATED).double().mean() > 0.5)
    return found * [
        f"all of its logits lie within {limits}, as those behind a {function} do: return the scores before it, because "
        f"the gradient of a saturated {function} vanishes"
    ]


def _of_repeated_calls(network: Callable[[Tensor], Tensor], images: Tensor, logits: Tensor) -> list[str]:
    """A remark where the same images have other logits at a second call, or most of them alone than in a batch.

    In that batch, each has another contrast: images of one brightness would hide what a network takes of all of them.
    """
    contrast = torch.linspace(1, 0.25, len(images)).view(-1, *[1] * (images.dim() - 1)).to(images)
    varied = images * contrast
    try:
        with same_random_numbers(images.device), torch.no_grad():
            again, together = network(images.clone()), network(varied.clone())
            alone = torch.cat([network(image.clone()) for image in varied[-2:].split(1)])
    except Exception:  # a user's forward pass that takes no single image; it is called with batches
        return []
    if float(_distances(again, logits).amax()) > _REPEATED:
        return [
            "the network gives the same images other logits at a second call: it changes its own state, or draws from "
            "a generator of its own, so that figures of it depend on what was computed before"
        ]
    return [f"the network: {_OTHERS_OF_ITS_BATCH}"] if float(_distances(alone, together[-2:]).amin()) > _ALONE else []


def _distances(found: Tensor, expected: Tensor) -> Tensor:
    """Of each image's logits, relative to their spread; endless where they are not of the same shape."""
    if found.shape != expected.shape:
        return torch.full((len(expected),), torch.inf)
    spread = (expected.amax(1) - expected.amin(1)).float().clamp_min(1e-30)
    return (found.float() - expected.float()).abs().amax(1) / spread
