"""The check of a network before it is compressed: it maps the images to logits, by weights of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brinell.compressors.checks.float_layers import FLOAT_LAYERS
from brinell.core import ModelError
from brinell.data import Dataset
from brinell.training import check_logits
from brinell.variants import Variant


def check_fit(variant: Variant, data: Dataset) -> None:
    """Refuse data of another number of classes or channels.

    Raises:
        ModelError: the two numbers.
    """
    if data.classes != variant.classes:
        raise ModelError(f"the model has {variant.classes} classes; {data.name} has {data.classes}")
    if data.input_shape[0] != variant.input_shape[0]:
        raise ModelError(f"the model takes images {variant.input_shape}; {data.name} has {data.input_shape}")


def check_parent(variant: Variant, data: Dataset) -> None:
    """Refuse a network that is to be compressed and does not map the images of `data` to logits.

    Raises:
        ModelError: what it returns, why it cannot be called, or which layer it does not compute with.
    """
    module = variant.deployed("reference")
    images = data.images[:2].to(torch.float32) / 255
    try:
        with torch.inference_mode():
            logits = module(images.clone())
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if data.input_shape != variant.input_shape:
            raise ModelError(
                f"the model takes images {variant.input_shape}; {data.name} has {data.input_shape}"
            ) from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"the model does not accept images {data.input_shape}: {reason}") from error
    check_logits(logits, data)
    _check_own_weights(module, images)


@torch.no_grad()
def _check_own_weights(module: nn.Module, images: Tensor) -> None:
    """Refuse a network whose logits stay the same when the weights of all its layers change; they are put back.

    Raises:
        ModelError: it does.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, FLOAT_LAYERS)]
    weights = [parameter for layer in layers for parameter in layer.parameters(recurse=False) if parameter.dim() > 1]
    kept = [weight.clone() for weight in weights]
    before = module(images.clone())
    try:
        for weight in weights:
            weight.data = weight * 1.5 + 0.01
        after = module(images.clone())
    finally:
        for weight, values in zip(weights, kept, strict=True):
            weight.data = values
    if weights and torch.equal(after, before):
        raise ModelError(
            "the model's logits do not depend on the weights of its layers: its forward pass computes with others"
        )
