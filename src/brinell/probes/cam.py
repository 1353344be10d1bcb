"""Looking inside a network: which layer's maps say where it looks, and the maps of the class it predicts.

CAM (Zhou et al. 2016) where the network ends in global pooling: the maps before the pooling, weighted by the
classifier's weights for the predicted class. Grad-CAM (Selvaraju et al. 2017) for those that do not: the maps of the
last convolution, weighted by the mean gradient of that class's logit, positive part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from brinell.core import UnsupportedError
from brinell.nn import BinaryLayer

Method = Literal["cam", "grad_cam"]


@dataclass(frozen=True)
class CAMResult:
    """Predicted classes `(n,)` and their maps `(n, h, w)`, as the network's own layer has them."""

    predictions: Tensor
    maps: Tensor


@dataclass(frozen=True)
class CAM:
    """Which layer of a network is looked at, and how."""

    network: nn.Module
    method: Method
    layer: str
    weights: Tensor | None
    """The classifier's, `(classes, channels)`; `None` for Grad-CAM."""

    @classmethod
    def of(cls, network: nn.Module, images: Tensor) -> CAM:
        """CAM if the logits are linear in the spatial means of some layer's maps on a few `images`, else Grad-CAM.

        Raises:
            UnsupportedError: no layer has maps.
        """
        seen = _Seen()
        with seen.watching(network), torch.inference_mode():
            logits = _call(network, images.clone())
        if (pooled := _pooled(network, seen, logits)) is not None:
            name, weights = pooled
            return cls(network, "cam", name, weights)
        parts = dict(network.named_modules())
        convolutions = [name for name in seen.outputs if isinstance(parts[name], (nn.Conv2d, BinaryLayer))]
        with_maps = [name for name in convolutions if _has_maps(seen.outputs[name])]
        if not with_maps:
            raise UnsupportedError("activation_maps: the network has no convolution whose maps could be looked at")
        return cls(network, "grad_cam", with_maps[-1], None)

    def look(self, images: Tensor) -> CAMResult:
        """Maps of the predicted class."""
        seen = _Seen({self.layer})
        with seen.watching(self.network), torch.set_grad_enabled(self.method == "grad_cam"):
            logits = _call(self.network, images.detach().requires_grad_().clone())
            predictions = logits.argmax(1)
            maps = seen.outputs[self.layer]
            if self.weights is not None:
                chosen = self.weights[predictions]
            else:
                score = logits.gather(1, predictions[:, None]).sum()
                if not score.requires_grad:
                    raise UnsupportedError("activation_maps: the network's logits have no gradient by its maps")
                chosen = torch.autograd.grad(score, maps)[0].mean((2, 3))
        weighted = (chosen[:, :, None, None] * maps).sum(1).detach().float()
        return CAMResult(predictions, weighted if self.method == "cam" else weighted.clamp_min(0))


@dataclass
class _Seen:
    """What the modules of a network took in and gave out, in order of execution.

    The network goes on with a copy of each output, so that a later operation in place (`ReLU(inplace=True)`) changes
    neither what is kept here nor what a gradient is taken by.
    """

    only: set[str] | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def watching(self, network: nn.Module) -> _Hooks:
        return _Hooks(network, self)

    def hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
        def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
            taken = inputs[0] if inputs and isinstance(module, nn.Linear) else None
            for known, value in ((self.inputs, _copied(taken)), (self.outputs, output)):
                known.pop(name, None)  # a layer that runs again moves to the end
                known[name] = value
            return _copied(output)

        return keep


def _call(network: nn.Module, images: Tensor) -> Tensor:
    try:
        logits: Tensor = network(images)
    except RuntimeError as error:  # one of another type than float32, for instance
        reason = str(error).partition("\n")[0]
        raise UnsupportedError(f"activation_maps: the network does not take its images: {reason}") from None
    return logits


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


@dataclass
class _Hooks:
    network: nn.Module
    seen: _Seen
    handles: list[Any] = field(default_factory=list)

    def __enter__(self) -> None:
        for name, part in self.network.named_modules():
            if self.seen.only is None or name in self.seen.only:
                self.handles.append(part.register_forward_hook(self.seen.hook(name)))

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


def _pooled(network: nn.Module, seen: _Seen, logits: Tensor) -> tuple[str, Tensor] | None:
    """The last layer whose maps' spatial means are what the classifier takes, and the classifier's weights."""
    linear = [name for name, part in network.named_modules() if isinstance(part, nn.Linear) and name in seen.outputs]
    taken, weights = logits, torch.eye(logits.shape[1])  # the maps may be the classes' own, pooled last (SqueezeNet)
    for name in linear:
        if torch.equal(seen.outputs[name], logits):
            taken, weights = seen.inputs[name], network.get_submodule(name).weight.detach()  # type: ignore[operator]
    for name in reversed(seen.outputs):
        maps = seen.outputs[name]
        if _has_maps(maps) and maps.shape[1] == taken.shape[1] and torch.allclose(maps.mean((2, 3)), taken, atol=1e-5):
            return name, weights
    return None


def _has_maps(output: object) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1
