"""Where training runs, in which memory layout, and what it must leave alone around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from brinell.attacks.harness.predictions import looks_like_probabilities
from brinell.core import ConfigurationError, ModelError
from brinell.data import Dataset, MappedImages
from brinell.nn import frozen_evaluation, has_frozen_statistics
from brinell.training.distributed import own_gpu


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; by default the GPU of this process, if there is one, otherwise the CPU.

    Args:
        device: A name, such as `cuda:1`, or a device.

    Returns:
        A device; a GPU always with its index.

    Examples:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(device)
    return torch.device("cuda", own_gpu()) if place.type == "cuda" and place.index is None else place


def dataset_on_device(data: Dataset, place: torch.device) -> Dataset:
    """The split on the device, as bytes: indexing there needs no copy a batch. Images in a file stay there."""
    images = data.images if isinstance(data.images, MappedImages) else data.images.to(place)
    return replace(data, images=images, labels=data.labels.to(place), ids=data.ids.to(place))


@contextmanager
def isolated(place: torch.device) -> Iterator[None]:
    """Leave the global random state as it was, and let cuDNN choose only kernels that repeat themselves exactly."""
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[place] if place.type == "cuda" else []))
        if place.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        yield


def supports_channels_last(module: nn.Module, data: Dataset) -> bool:
    """Whether the module can train in the fastest layout for small convolutions; one that calls `view` cannot.

    Nor can one with a strided 1 x 1 convolution of a number of input channels that 8 does not divide: in this layout
    oneDNN 3.12 (AVX2) writes past the end of a buffer while it computes the weights' gradient.

    Raises:
        ModelError: it cannot compute with these images at all, or has fewer logits than there are classes.
    """
    images = data.images[:2].to(torch.float32) / 255
    with frozen_evaluation(module), torch.no_grad():
        try:
            logits, possible = module(images.to(memory_format=torch.channels_last)), True
        except RuntimeError:
            try:
                logits, possible = module(images), False
            except RuntimeError as error:
                raise ModelError(f"the model does not accept images {data.input_shape}: {error}") from error
    check_logits(logits, data)
    return possible and not any(_overruns_a_buffer(layer) for layer in module.modules())


def _overruns_a_buffer(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or layer.stride == (1, 1):
        return False
    return layer.in_channels // layer.groups % 8 != 0


def set_training_mode(module: nn.Module, frozen: Collection[str] = ()) -> None:
    """Training mode; frozen batch norms, and those named in `frozen`, normalise by their statistics and keep them."""
    module.train()
    for name, layer in module.named_modules():
        if isinstance(layer, _BatchNorm) and (name in frozen or has_frozen_statistics(layer)):
            layer.eval()


@contextmanager
def override_dropout_probability(module: nn.Module, probability: float | None) -> Iterator[None]:
    """Give every dropout layer that probability for a while; `None` leaves them alone.

    Raises:
        ConfigurationError: the module has no such layer.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _DropoutNd)] if probability is not None else []
    if probability is not None and not layers:
        raise ConfigurationError(f"train.dropout: {probability} asked for, and the network has no dropout layer")
    before = [layer.p for layer in layers]
    try:
        for layer in layers:
            layer.p = probability or 0.0
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            layer.p = own


def check_logits(logits: object, data: Dataset) -> None:
    """Refuse what a model returned for the first two images of `data` and is no logits `(2, classes)`.

    Args:
        logits: What the model returned.
        data: What it is trained or judged on.

    Raises:
        ModelError: what was returned.

    Examples:
        >>> import brinell, torch
        >>> check_logits(torch.zeros(2, 10), brinell.data.build("digits", split="test", examples=10))
    """
    count = len(data.labels[:2])
    if not isinstance(logits, Tensor):
        raise ModelError(
            f"the model must give logits (N, classes), not a {type(logits).__name__}; return the logits alone, or wrap "
            "it in a module whose forward picks them"
        )
    if logits.dim() != 2 or len(logits) != count:
        raise ModelError(f"the model must give logits (N, classes), not {tuple(logits.shape)} for {count} images")
    if not logits.is_floating_point():
        raise ModelError(f"the model must give logits of a floating-point type, not {logits.dtype}")
    if count > 1 and looks_like_probabilities(logits.detach().float()):
        raise ModelError(
            "the model gives probabilities, which add up to one number for each image; return the logits before softmax"
        )
    highest = int(data.labels.max())
    if logits.shape[1] <= highest:
        raise ModelError(f"the model has {logits.shape[1]} logits; {data.name}/{data.split} has labels up to {highest}")
