"""Whether a fast form of a network computes what the network computes: logits and input gradients, within rounding.

Fast forms (folded, fused, in another memory layout or runtime) are derived by rules that hold for the modules they were
written for. A user's module may break any of them (a hook, an `autograd.Function`, a branch that tracing does not see),
so that a form is compared with the network on a few images before it is used.

A network of signs has a difficulty of its own: the last bit of a sum turns a sign, and the logits with it. Such a
network is one whose own logits jump when its input moves by 1e-5 of itself; for it, some images may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from brinell.nn.weighted_sum import weighted_sum

Function = Callable[[Tensor], Tensor]
"""Maps images `(N, C, H, W)` to logits `(N, classes)`."""

IMAGES: Final = 4
"""Images that forms are compared on."""

_LOGITS: Final = 1e-4
"""Difference between logits, of the spread of an image's logits, that sums in another order make."""
_MAGNITUDE: Final = 2e-6
"""The same of their magnitude, where they all lie far from zero."""
_GRADIENT: Final = 1e-2
"""Relative length of the difference between gradients: a rectifier may turn over, which logits hardly show."""
_NUDGE: Final = 1e-5
_SAME: Final = 0.5
"""Share of images that have to agree where the network itself jumps."""
_DOUBLE: Final = 1e-6
_COARSE_LOGITS: Final = 0.05
_COARSE_GRADIENT: Final = 0.5
"""Relative lengths of what rounding to 8 bits of mantissa may change in logits and gradients: published networks of
floats are at 0.01 and 0.2, networks of signs at 0.02 to 0.2 and at 1."""


@dataclass(frozen=True)
class Response:
    """Logits of a few images `(k, classes)`, and the gradient of one weighted sum of them if there is one."""

    logits: Tensor
    gradient: Tensor | None


def comparison_images(images: Tensor, count: int = IMAGES) -> Tensor:
    """`count` of the images mixed with 2 to 50 % of noise each, in [0, 1].

    Noise takes away ties (in a pooling over a background of one colour), which any change of rounding breaks anew, and
    shows what a network does only with images off its data.

    Args:
        images: Any, `(N, C, H, W)` in [0, 1]; too few are repeated.
        count: How many to make.

    Returns:
        `(count, C, H, W)` in [0, 1], the same at each call.

    Examples:
        >>> import torch
        >>> comparison_images(torch.zeros(1, 3, 8, 8)).shape[1:]
        torch.Size([3, 8, 8])
    """
    draw = torch.Generator().manual_seed(0)
    chosen = images.detach()[torch.arange(count) % len(images)]
    share = torch.logspace(-1.7, -0.3, count).view(-1, *[1] * (images.dim() - 1)).to(chosen)
    noise = torch.rand(chosen.shape, generator=draw).to(chosen)
    return torch.lerp(chosen, noise, share)


@contextmanager
def same_random_numbers(device: torch.device) -> Iterator[None]:
    """The same random numbers at each call, from PyTorch's generators, whose states come back.

    Args:
        device: Where the numbers are drawn.

    Returns:
        A block.

    Examples:
        >>> import torch
        >>> def drawn():
        ...     with same_random_numbers(torch.device("cpu")):
        ...         return torch.rand(1).item()
        >>> drawn() == drawn()
        True
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(0)
        if device.type == "cuda":
            torch.cuda.manual_seed(0)
        yield


def respond(network: Function, images: Tensor, *, gradients: bool) -> Response:
    """What `network` computes of `images`, random numbers being the same at each call.

    Args:
        network: Makes logits `(N, K)` of images.
        images: `(N, C, H, W)`.
        gradients: Compute the gradient of one sum of all logits, too.

    Returns:
        Logits, and the gradient of the images; none where there is none.

    Examples:
        >>> import torch
        >>> found = respond(lambda images: images.flatten(1), torch.ones(1, 1, 1, 2), gradients=True)
        >>> found.gradient.flatten().tolist()
        [-1.0, 1.5]
    """
    with same_random_numbers(images.device), torch.set_grad_enabled(gradients):
        if not gradients:
            return Response(network(images).detach(), None)
        inputs = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        logits = network(inputs)
        try:
            (gradient,) = torch.autograd.grad(weighted_sum(logits).sum(), inputs)
        except RuntimeError:  # nothing leads back to the images, or not by a derivative
            return Response(logits.detach(), None)
    return Response(logits.detach(), gradient)


def describe_difference(
    form: Function,
    network: Function,
    images: Tensor,
    *,
    gradients: bool = False,
    expected: Response | None = None,
    in_double: Callable[[], tuple[Function, Function]] | None = None,
) -> str | None:
    """How `form` differs from `network` on `images` `(k, C, H, W)`; `None` where they compute the same within rounding.

    `expected` is the network's response where it is known. `in_double` makes both in float64, and is asked where a
    network of signs agrees on fewer than half of the images in float32: there, hardly a sign turns.

    Args:
        form: Computes what `network` computes, or should.
        network: The reference.
        images: Float `(k, C, H, W)` in [0, 1].
        gradients: Compare the gradients of the images, too.
        expected: The response of `network`, where it is known.
        in_double: Makes both in float64.

    Returns:
        A phrase for a message; `None` where both compute the same.

    Examples:
        >>> import torch
        >>> images = torch.rand(4, 1, 2, 2)
        >>> describe_difference(lambda x: x.flatten(1), lambda x: x.flatten(1), images)
        >>> describe_difference(lambda x: x.flatten(1), lambda x: 2 * x.flatten(1), images) is None
        False
    """
    expected = expected or respond(network, images, gradients=gradients)
    try:
        found = respond(form, images, gradients=gradients)
    except Exception as error:  # the form runs parts of the user's own forward pass, which may raise anything
        return f"it cannot be computed: {_brief(error)}"
    agree = _agreeing(found, expected)
    if bool(agree.all()) or (_jumps(network, images, expected) and _agree_but_for_signs(agree, images, in_double)):
        return None
    return _words(found, expected, agree)


def describe_bfloat16_difference(form: Function, images: Tensor, expected: Response) -> str | None:
    """As `describe_difference`, for a form that rounds to 8 bits of mantissa: it may be some percent of the logits off.

    A network whose signs turn over by such rounding is off by more.

    Args:
        form: What is computed in bfloat16.
        images: Float32 `(k, C, H, W)` in [0, 1].
        expected: The response of the network in float32.

    Returns:
        What differs by too much; `None` if nothing does.

    Examples:
        >>> import torch
        >>> images, network = torch.rand(4, 1, 2, 2), lambda x: x.flatten(1)
        >>> expected = respond(network, images, gradients=False)
        >>> describe_bfloat16_difference(lambda x: network(x.bfloat16()).float(), images, expected)
    """
    try:
        found = respond(form, images, gradients=expected.gradient is not None)
    except Exception as error:
        return f"it cannot be computed: {_brief(error)}"
    logits = _relative(found.logits, expected.logits - expected.logits.mean(1, keepdim=True), expected.logits)
    if not bool(logits.max() <= _COARSE_LOGITS):
        return f"rounding changes the logits by up to {float(logits.max()):.0%}"
    if expected.gradient is not None and found.gradient is not None:
        slopes = _relative(found.gradient, expected.gradient, expected.gradient)
        if not bool(slopes.max() <= _COARSE_GRADIENT):
            return f"rounding changes the gradient by up to {float(slopes.max()):.0%}"
    return None


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """The median over images of the difference between logits, as a share of the spread of the expected ones.

    Args:
        found: Logits `(N, K)`.
        expected: Logits of the same shape.

    Returns:
        0 where all are equal.

    Examples:
        >>> import torch
        >>> relative_difference(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0]]))
        0.0
    """
    return float(_relative(found, expected - expected.mean(1, keepdim=True), expected).median())


def _agree_but_for_signs(
    agree: Tensor, images: Tensor, in_double: Callable[[], tuple[Function, Function]] | None
) -> bool:
    if float(agree.double().mean()) >= _SAME:
        return True
    if in_double is None:
        return False
    try:
        form, network = in_double()
        found, expected = (respond(one, images.double(), gradients=False) for one in (form, network))
    except Exception:  # not everything computes in float64
        return False
    return float(_agreeing(found, expected, _DOUBLE).double().mean()) >= _SAME


def _jumps(network: Function, images: Tensor, expected: Response) -> bool:
    """Whether the network's own logits or gradients change by more than rounding where its input hardly moves."""
    draw = torch.Generator().manual_seed(1)
    for _ in range(2):
        moved = images * (1 + _NUDGE * (torch.rand(images.shape, generator=draw).to(images) * 2 - 1))
        if not bool(_agreeing(respond(network, moved, gradients=expected.gradient is not None), expected).all()):
            return True
    return False


def _agreeing(found: Response, expected: Response, tolerance: float = _LOGITS) -> Tensor:
    """Which images have the same logits and gradient within rounding, `(k,)`."""
    if found.logits.shape != expected.logits.shape or (found.gradient is None) != (expected.gradient is None):
        return torch.zeros(len(expected.logits), dtype=torch.bool)
    logits = expected.logits.double()
    spread, size = logits.amax(1) - logits.amin(1), logits.abs().amax(1)
    distance = (found.logits.double() - logits).abs().amax(1)
    agree = distance <= tolerance * spread + _MAGNITUDE * size
    if found.gradient is not None and expected.gradient is not None:
        agree = agree & _same_gradient(found.gradient.double(), expected.gradient.double())
    return agree.cpu()


def _same_gradient(found: Tensor, expected: Tensor) -> Tensor:
    """Infinite and undefined ones have to be so in both, at the same pixels."""
    finite = expected.isfinite()
    same = (found.isfinite() == finite).flatten(1).all(1)
    found, expected = (torch.where(finite, value, 0.0).flatten(1) for value in (found, expected))
    length = expected.norm(dim=1)
    close: Tensor = (found - expected).norm(dim=1) <= _GRADIENT * length + 1e-7 * length.amax()
    return same & close


def _relative(found: Tensor, scale: Tensor, expected: Tensor) -> Tensor:
    """The length of the difference over that of `scale`, `(k,)`; infinite where something is not finite."""
    lengths = scale.double().flatten(1).norm(dim=1).clamp_min(1e-30)
    away = (found.double() - expected.double()).flatten(1).norm(dim=1) / lengths
    return torch.where(away.isfinite(), away, torch.inf)


def _words(found: Response, expected: Response, agree: Tensor) -> str:
    count = f"{int((~agree).sum())} of {len(agree)} images"
    if found.logits.shape != expected.logits.shape:
        return f"its logits are {tuple(found.logits.shape)}, the network's {tuple(expected.logits.shape)}"
    if (found.gradient is None) != (expected.gradient is None):
        return f"it gives {'no' if found.gradient is None else 'a'} gradient, unlike the network"
    logits = _relative(found.logits, expected.logits - expected.logits.mean(1, keepdim=True), expected.logits).max()
    if bool(_agreeing(Response(found.logits, None), Response(expected.logits, None)).all()):
        return f"its gradient differs from the network's on {count}"
    return f"its logits differ from the network's on {count}, by up to {float(logits):.2g} of their spread"


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
