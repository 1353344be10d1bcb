"""`Oracle`: the only way an attack sees a network. It evaluates the fastest forms that are proved to be the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from brinell.attacks.harness.diagnostics import Diagnostics, GradientCounts
from brinell.attacks.harness.fast_forms import Form, Scores
from brinell.attacks.harness.frozen_network import FrozenNetwork, Role, frozen
from brinell.attacks.harness.frozen_network import Precision as Precision
from brinell.attacks.harness.losses import succeeded
from brinell.core import ModelError
from brinell.nn import SURROGATES, frozen_evaluation, in_layout
from brinell.variants import EverySurrogate

AT_ONCE = {"cpu": 128, "cuda": 2048}
"""Images a forward pass by the kind of device: on a processor the maps of more than that leave its caches."""

_INFINITE = 1e6
"""What stands for an infinite number in a gradient: its sign leads on, and sums stay finite."""


class Oracle:
    """Logits and input gradients of a network on a device, from the fastest forms that compute what it computes.

    They do so but for float rounding (`FrozenNetwork`). Success is therefore *confirmed* on the network itself, and
    judged there again in the end. A function that is no module is asked for logits as it is. `precision` `bf16` lets
    convolutions and products round to 8 bits of mantissa, which processors made for it run several times as fast, where
    that changes little; success is confirmed in float32 all the same. With `samples`, logits and gradients are means
    over so many passes: of a network that draws random numbers, their expectation (Athalye et al. 2018).
    """

    def __init__(
        self,
        network: nn.Module | Scores | FrozenNetwork,
        device: torch.device,
        precision: Precision = "float32",
        samples: int = 1,
    ) -> None:
        self.network = frozen(network, device)
        self.precision, self.samples = precision, samples
        self.surrogates: tuple[str, ...] = tuple(SURROGATES) if isinstance(self.network.module, EverySurrogate) else ()
        """Surrogate gradients that an attack goes through in turn; none of a network that is seen with one gradient."""
        self.report_progress: Callable[[float, float], None] = no_report
        """For an attack to say how many of its steps are done; cheap, and not bound to be heard."""
        self.counts = GradientCounts(device)
        self._roles: dict[str, str] = {}

    def use_surrogate(self, name: str) -> None:
        """Let gradients from now on go through this surrogate of sign."""
        self.network.use_surrogate(name)

    def logits(self, images: Tensor) -> Tensor:
        """Logits `(N, classes)` without a graph, of any number of images."""
        form = self._form("scores", images)
        # A traced module keeps nothing; others might keep a tensor that a gradient has to pass later.
        with torch.inference_mode() if form.traced else torch.no_grad():
            return torch.cat([self._mean(partial(form, part)) for part in images.split(self._at_once(images))])

    def _at_once(self, images: Tensor) -> int:
        return AT_ONCE.get(images.device.type, 512)

    def _mean(self, draw: Callable[[], Tensor]) -> Tensor:
        total = draw()
        for _ in range(self.samples - 1):
            total = total + draw()
        return total if self.samples == 1 else total / self.samples

    def gradient(
        self, images: Tensor, objective: Callable[..., Tensor], *rows: Tensor | None, idle_at_zero: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, the objective `(N,)` and its gradient by the images, from one forward and one backward pass.

        `objective` takes the logits and what `rows` holds of the same images; with them a pass is of no more images
        than suit the device. Gradients that are zero throughout are counted, unless the objective is zero and
        `idle_at_zero` says that it then has nothing left to ask for. Infinite numbers in a gradient become large ones,
        undefined ones zero; these are counted, too.

        Raises:
            ModelError: the logits have no gradient.
        """
        size = self._at_once(images) if rows else max(len(images), 1)
        starts = range(0, max(len(images), 1), size)
        parts = [
            self._gradient(
                images[start : start + size],
                objective,
                *(None if row is None else row[start : start + size] for row in rows),
                idle_at_zero=idle_at_zero,
            )
            for start in starts
        ]
        if len(parts) == 1:
            return parts[0]
        logits, value, gradient = (torch.cat(values) for values in zip(*parts, strict=True))
        return logits, value, gradient

    def _gradient(
        self, images: Tensor, objective: Callable[..., Tensor], *rows: Tensor | None, idle_at_zero: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        draws = []
        for _ in range(self.samples):
            with self._graph(images) as (inputs, logits):
                value = objective(logits, *rows)
                (gradient,) = _gradients(value.sum(), inputs)
            draws.append((logits.detach(), value.detach(), gradient))
        logits, value, gradient = draws[0]
        if self.samples > 1:
            logits, value, gradient = (torch.stack(drawn).mean(0) for drawn in zip(*draws, strict=True))
        return logits, value, self._checked(gradient, value == 0 if idle_at_zero else None)

    def differences(self, images: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """For each of K `classes` `(n, K)` its logit less the label's, `(n, K)`, and the gradients `(n, K, C, H, W)`.

        One forward and K backward passes. Gradients are counted as in `gradient`.

        Raises:
            ModelError: the logits have no gradient.
        """
        draws = [self._differences(images, labels, classes) for _ in range(self.samples)]
        gaps, gradients = draws[0]
        if self.samples > 1:
            gaps, gradients = (torch.stack(drawn).mean(0) for drawn in zip(*draws, strict=True))
        return gaps, self._checked(gradients.flatten(0, 1)).view_as(gradients)

    def _differences(self, images: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        with self._graph(images) as (inputs, logits):
            gaps = logits.gather(1, classes) - logits.gather(1, labels[:, None])
            last = gaps.shape[1] - 1
            gradients = [
                _gradients(gaps[:, place].sum(), inputs, keep=place < last)[0] for place in range(gaps.shape[1])
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
        if len(at) and not self.network.only_deployed:
            broken[at] = self.is_adversarial(images[at], labels[at], None if targets is None else targets[at])
        return broken

    def is_adversarial(self, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """Whether these images have succeeded by the deployed network's own logits, `(n,)`."""
        with torch.no_grad():
            return succeeded(self._mean(partial(self.network.deployed(images), images)), labels, targets)

    def computation(self, judged: FrozenNetwork | None = None, remarks: tuple[str, ...] = ()) -> Diagnostics:
        """Which forms were used for what, by this oracle and by the harness that judged on `judged`."""
        networks = [self.network, *([judged] if judged is not None and judged is not self.network else [])]
        return Diagnostics(
            forms={**self._roles, **({} if judged is None else judged.judged_as)},
            rejected=tuple(dict.fromkeys(reason for network in networks for reason in network.rejected)),
            gradients=self.counts.total,
            zero_gradients=int(self.counts.zero),
            infinite_gradients=int(self.counts.infinite),
            remarks=tuple(dict.fromkeys((*(mark for network in networks for mark in network.remarks), *remarks))),
        )

    def _form(self, role: Role, images: Tensor) -> Form:
        form = self.network.form(role, images, self.precision)
        self._roles[role] = form.name
        return form

    @contextmanager
    def _graph(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Images that a gradient can be taken by, and their logits."""
        form = self._form("gradients", images)
        with torch.enable_grad():
            inputs = in_layout(images.detach(), form.layout).requires_grad_()
            logits = form(inputs)
            if not logits.requires_grad:
                raise ModelError(_NO_GRADIENT)
            yield inputs, logits

    def _checked(self, gradient: Tensor, idle: Tensor | None = None) -> Tensor:
        largest = gradient.flatten(1).abs().amax(1)
        self.counts.add(largest, idle)
        if gradient.is_cuda or not bool(torch.isfinite(largest).all()):
            gradient = gradient.nan_to_num(nan=0.0, posinf=_INFINITE, neginf=-_INFINITE)
        return gradient


_NO_GRADIENT = (
    "model: its logits do not depend on its images by anything that can be derived (a forward pass under no_grad, a "
    "detached or whole-number tensor, an operation without a derivative); attack it through its scores"
)


def _gradients(value: Tensor, inputs: Tensor, *, keep: bool = False) -> tuple[Tensor, ...]:
    try:
        return torch.autograd.grad(value, inputs, retain_graph=keep)
    except RuntimeError as error:
        if "appears to not have been used" in str(error) or "not implemented" in str(error):
            raise ModelError(_NO_GRADIENT) from error
        raise


def no_report(done: float, total: float) -> None:
    """Hear nothing."""


@contextmanager
def isolated_evaluation(seed: int, *networks: FrozenNetwork) -> Iterator[None]:
    """Run networks as they are deployed, whatever the caller's own state is.

    A network that draws random numbers gets a seeded stream, and the caller's comes back afterwards. Autocast of
    the caller's does not reach it. The caller's own module, which a hook or a `forward` set on an instance
    may still call, is in evaluation mode meanwhile.
    """
    modules = [network.source for network in networks if isinstance(network.source, nn.Module)]
    devices = list(range(torch.cuda.device_count()))
    with ExitStack() as stack:
        for kind in {network.device.type for network in networks}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(frozen_evaluation(*modules))
        stack.enter_context(torch.random.fork_rng(devices=devices))
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        yield
