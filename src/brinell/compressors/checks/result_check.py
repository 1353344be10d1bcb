"""The check of every compressor's result, before anything is written: is it a network that does what was asked for?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from brinell.attacks import BrinellWarning
from brinell.compressors.checks.coverage import EXPECTED
from brinell.compressors.checks.float_layers import FLOAT_LAYERS
from brinell.core import ModelError, derive_seed
from brinell.data import Dataset
from brinell.nn import BinaryLayer
from brinell.nn.onnx_graph import OnnxNetwork
from brinell.training import choose_device
from brinell.variants import Variant

_IMAGES: Final = 256
_NUMBERS: Final = 1 << 24
"""Numbers that the compared images may have together: large images are fewer."""
_BATCH: Final = 64
_CONSTANT: Final = 1e-6
"""Spread of the logits over images, of their magnitude, below which they are all the same."""
_NOTHING_IN_COMMON: Final = 0.05
"""Cosine between a layer's outputs in two networks, below which they are unrelated."""
_FEWEST: Final = 16
"""Images below which agreement by chance cannot be told from agreement."""


def check_result(
    kind: str,
    parent: Variant,
    child: Variant,
    data: Dataset,
    *,
    seed: int,
    device: str | torch.device | None = None,
    trained: bool = True,
) -> None:
    """Refuse a `child` that is dead, answers every image alike, or agrees with its `parent` no more than by chance.

    Judged on training images. Logits are compared where the child was `trained` at all (binary layers without training
    may give every image the same), and agreement where the parent classifies more images than by chance, and no
    fewer than the child. What the parent was already is not held against the child.

    Raises:
        ModelError: what is wrong, and in which layer; or the child cannot be computed.
    """
    before, after = parent.deployed("reference"), child.deployed("reference")
    known = set(dead_layers(before))
    for name in dead_layers(after):
        if name not in known:
            raise ModelError(f"{kind}: {name} is dead in the result: all of its weights, or its scales, are zero")
    size = math.prod(data.input_shape)
    count = min(_IMAGES, max(_FEWEST, _NUMBERS // size), len(data))
    chosen = data.subset(data.order(derive_seed(seed, "result"))[:count])
    images, labels = chosen.tensors()
    other, own = _logits(before, images, device), _logits_of_result(kind, after, images, device)
    if not bool(own.isfinite().all()):
        raise ModelError(f"{kind}: the result has logits that are not finite")
    if not trained:
        return
    if count > 1 and _constant(own) and not _constant(other):
        name = first_constant_layer(after, images[:_BATCH]) or "a layer"
        raise ModelError(f"{kind}: the result gives all of {count} images the same logits, and {name} the same output")
    agreeing, right = (int((other.argmax(1) == answers).sum()) for answers in (own.argmax(1), labels))
    limit, own_right = _by_chance(count, own.shape[1]), int((own.argmax(1) == labels).sum())
    if count >= _FEWEST and right > limit >= agreeing and own_right <= right:
        raise ModelError(
            f"{kind}: the result agrees with the network before on {agreeing} of {count} training images, which is no "
            f"better than chance{_where_apart(before, after, images[:_BATCH])}; train it for longer, or with another "
            "learning rate"
        )


def warn_of_coverage(kind: str, child: Variant) -> None:
    """Warn where the compressor covers less than `EXPECTED` of the weights, and name the largest that it leaves."""
    covered: dict[str, Any] = dict(child.lineage[-1].figures.get("coverage", {}))
    if not covered or covered["share"] >= EXPECTED:
        return
    named = [f"{name} ({entry['weights']:,}: {entry['reason']})" for name, entry in covered["untouched"].items()]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    warnings.warn(
        f"{kind} covers {covered['share']:.0%} of the {covered['weights']:,} weights; it leaves alone "
        f"{', '.join(named[:3])}{more}",
        BrinellWarning,
        stacklevel=4,
    )


def dead_layers(module: nn.Module) -> Iterator[str]:
    """Names of the layers whose output does not depend on their input: a weight bank or a scale that is all zero."""
    for name, layer in module.named_modules():
        if isinstance(layer, BinaryLayer):
            scales = [getattr(layer, own, None) for own in ("scale", "alphas", "heights")]
        elif isinstance(layer, (*FLOAT_LAYERS, _NormBase)):
            scales = [layer.weight]
        else:
            continue
        if any(scale is not None and scale.numel() and not bool((scale != 0).any()) for scale in scales):
            yield name


def first_constant_layer(module: nn.Module, images: Tensor) -> str | None:
    """The first of the innermost layers, in order of execution, that gives all images the same."""
    return next((name for name, output in _outputs(module, images).items() if _constant(output)), None)


def _where_apart(before: nn.Module, after: nn.Module, images: Tensor) -> str:
    """In words, the first layer of both networks whose outputs over the images have nothing in common."""
    theirs, own = _outputs(before, images), _outputs(after, images)
    for name, output in own.items():
        other = theirs.get(name)
        if other is not None and other.shape == output.shape and not _constant(other):
            one, two = ((values - values.mean(0)).flatten() for values in (output, other))
            if abs(float(torch.cosine_similarity(one, two, dim=0))) < _NOTHING_IN_COMMON:
                return f", and {name} is the first layer whose output has nothing of the one before"
    return ""


@torch.inference_mode()
def _outputs(module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Outputs `(N, ...)` of the innermost layers, in order of execution; of one that runs twice, the last."""
    outputs: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def keep(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point() and output.shape[:1] == images.shape[:1]:
                outputs[name] = output.flatten(1).float().clone()

        return keep

    inner = [(name, layer) for name, layer in module.named_modules() if name and not list(layer.children())]
    handles = [layer.register_forward_hook(hook(name)) for name, layer in inner]
    try:
        module(images.clone())
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def _constant(values: Tensor) -> bool:
    """Whether all rows are the same within rounding."""
    spread = (values - values[:1]).abs().max()
    return bool(spread <= _CONSTANT * values.abs().max().clamp_min(1e-30))


def _by_chance(count: int, classes: int) -> float:
    """How many of `count` agree by chance, two standard deviations included."""
    chance = 1 / max(classes, 2)
    return count * chance + 2 * math.sqrt(count * chance * (1 - chance))


def _logits_of_result(kind: str, network: nn.Module, images: Tensor, device: str | torch.device | None) -> Tensor:
    try:
        return _logits(network, images, device)
    except Exception as error:  # a user's forward pass that reads what a binary layer, for one, does not have
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ModelError(f"{kind}: the network cannot be computed with its changed layers: {reason}") from error


@torch.inference_mode()
def _logits(network: nn.Module, images: Tensor, device: str | torch.device | None) -> Tensor:
    place = torch.device("cpu") if isinstance(network, OnnxNetwork) else choose_device(device)
    network = network.to(place)
    logits = torch.cat([network(part.to(place, copy=True)).float().cpu() for part in images.split(_BATCH)])
    network.to("cpu")
    return logits
