"""`Oracle`: the only way an attack sees a network. It evaluates a frozen copy that is made for speed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from brinell.attacks.losses import succeeded
from brinell.core import ModelError
from brinell.nn import SURROGATES, fold_batch_norms, fuse_relu, set_layout, threshold_binary
from brinell.variants import EverySurrogate, set_surrogate

Precision = Literal["float32", "bf16"]
AT_ONCE = {"cpu": 128, "cuda": 2048}
"""Images a forward pass by the kind of device: on a processor the maps of more than that leave its caches."""

Scores = Callable[[Tensor], Tensor]
"""Anything that maps images `(N, C, H, W)` to logits `(N, classes)`."""


class Oracle:
    """Logits and input gradients of a network on a device, from a copy with folded batch norms, channels last.

    The copy computes what the network computes but for float rounding. Success is therefore *confirmed* on the network
    itself, and judged there again in the end. A function that is no module is asked for logits as it is. `precision`
    `bf16` lets the copy's convolutions and products round to 8 bits of mantissa, which processors made for it run
    several times as fast; success is confirmed in float32 all the same. With `samples`, logits and gradients are means
    over so many passes: of a network that draws random numbers, their expectation (Athalye et al. 2018).
    """

    def __init__(
        self, network: nn.Module | Scores, device: torch.device, precision: Precision = "float32", samples: int = 1
    ) -> None:
        self.exact, self.samples = on_device(network, device), samples
        every = isinstance(self.exact, EverySurrogate)
        self.surrogates: tuple[str, ...] = tuple(SURROGATES) if every else ()
        """Surrogate gradients that an attack goes through in turn; none of a network that is seen with one gradient."""
        self.report_progress: Callable[[float, float], None] = no_report
        """For an attack to say how many of its steps are done; cheap, and not bound to be heard."""
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
        self.fast: Scores = self.exact
        self.fused: Scores = self.exact
        self.layout = torch.contiguous_format
        if isinstance(self.exact, nn.Module):
            self.layout = torch.channels_last
            folded = set_layout(fold_batch_norms(self.exact), torch.channels_last)
            dtype = torch.bfloat16 if precision == "bf16" else torch.float32
            self.fast = folded
            self.fused = fuse_relu(_without_gradients(self.exact, folded), dtype) if device.type == "cpu" else folded

    def use_surrogate(self, name: str) -> None:
        """Let gradients from now on go through this surrogate of sign."""
        if isinstance(self.fast, nn.Module):
            set_surrogate(self.fast, name)

    def logits(self, images: Tensor) -> Tensor:
        """Logits `(N, classes)` without a graph, of any number of images."""
        with torch.inference_mode():
            parts = [part.contiguous(memory_format=self.layout) for part in images.split(self._at_once(images))]
            return torch.cat([self._mean(partial(self._ask, self.fused, part)) for part in parts])

    def _at_once(self, images: Tensor) -> int:
        return AT_ONCE.get(images.device.type, 512)

    def _mean(self, draw: Callable[[], Tensor]) -> Tensor:
        total = draw()
        for _ in range(self.samples - 1):
            total = total + draw()
        return total if self.samples == 1 else total / self.samples

    def _ask(self, network: Scores, images: Tensor) -> Tensor:
        with self.autocast:
            logits = network(images)
        return logits.float()

    def gradient(
        self, images: Tensor, objective: Callable[..., Tensor], *rows: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the objective `(N,)` and its gradient by the images, from one forward and one backward pass.

        `objective` takes the logits and what `rows` holds of the same images; with them a pass is of no more images
        than suit the device.

        Raises:
            ModelError: the network gives no gradient at all, or one that is not finite.
        """
        size = self._at_once(images) if rows else max(len(images), 1)
        starts = range(0, max(len(images), 1), size)
        parts = [
            self._gradient(
                images[start : start + size],
                objective,
                *(None if row is None else row[start : start + size] for row in rows),
            )
            for start in starts
        ]
        if len(parts) == 1:
            return parts[0]
        logits, value, gradient = (torch.cat(values) for values in zip(*parts, strict=True))
        return logits, value, gradient

    def _gradient(
        self, images: Tensor, objective: Callable[..., Tensor], *rows: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            inputs = images.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
            draws = []
            for _ in range(self.samples):
                logits = self._ask(self.fast, inputs)
                if not logits.requires_grad:
                    raise ModelError("the model's logits do not depend on its input by anything that can be derived")
                value = objective(logits, *rows)
                (gradient,) = torch.autograd.grad(value.sum(), inputs)
                draws.append((logits.detach(), value.detach(), gradient))
        logits, value, gradient = draws[0]
        if self.samples > 1:
            logits, value, gradient = (torch.stack(drawn).mean(0) for drawn in zip(*draws, strict=True))
        if not torch.isfinite(gradient).all():
            bad = int((~torch.isfinite(gradient.flatten(1)).all(1)).sum())
            raise ModelError(f"model: its gradient is NaN or infinite for {bad} of {len(images)} images")
        return logits, value, gradient

    def differences(self, images: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """For each of K `classes` `(n, K)` its logit less the label's, `(n, K)`, and the gradients `(n, K, C, H, W)`.

        One forward and K backward passes.
        """
        draws = [self._differences(images, labels, classes) for _ in range(self.samples)]
        if self.samples == 1:
            return draws[0]
        gaps, gradients = (torch.stack(drawn).mean(0) for drawn in zip(*draws, strict=True))
        return gaps, gradients

    def _differences(self, images: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            inputs = images.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
            logits = self._ask(self.fast, inputs)
            gaps = logits.gather(1, classes) - logits.gather(1, labels[:, None])
            last = gaps.shape[1] - 1
            gradients = [
                torch.autograd.grad(gaps[:, place].sum(), inputs, retain_graph=place < last)[0]
                for place in range(gaps.shape[1])
            ]
        return gaps.detach(), torch.stack(gradients, dim=1)

    def confirmed(
        self, images: Tensor, logits: Tensor, labels: Tensor, targets: Tensor | None, asked: Tensor | None = None
    ) -> Tensor:
        """Which images have succeeded by these logits and, asked again, by the deployed network's own, `(n,)`."""
        broken = succeeded(logits, labels, targets)
        if asked is not None:
            broken = broken & asked
        at = broken.nonzero()[:, 0]
        if len(at) and self.fast is not self.exact:
            broken[at] = self.is_adversarial(images[at], labels[at], None if targets is None else targets[at])
        return broken

    def is_adversarial(self, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """Whether these images have succeeded by the deployed network's own logits, `(n,)`."""
        with torch.inference_mode():
            placed = images.contiguous(memory_format=torch.channels_last)
            return succeeded(self._mean(partial(self.exact, placed)), labels, targets)


def _without_gradients(network: nn.Module, folded: nn.Module) -> nn.Module:
    """What passes without gradients can do with: binary layers as thresholds, which batch norms fold into."""
    changed = threshold_binary(network)
    return folded if changed is network else set_layout(fold_batch_norms(changed), torch.channels_last)


def no_report(done: float, total: float) -> None:
    """Hear nothing."""


def on_device(network: nn.Module | Scores, device: torch.device) -> nn.Module | Scores:
    """A frozen copy of a module on the device, so that the caller's own is never touched; a function as it is."""
    if isinstance(network, nn.Module):
        copied = copy.deepcopy(network).to(device).eval().requires_grad_(False)
        return set_layout(copied, torch.channels_last)
    return network


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Give a network that draws random numbers a seeded stream of its own, and the caller's back afterwards."""
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
