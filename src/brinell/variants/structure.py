"""Changes of a network's modules that a file's header can repeat on a fresh one before its tensors are loaded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from torch import nn

from brinell.core import ModelError, Registry, Spec
from brinell.nn import BinaryConv2d, LatentBinaryConv2d, replace


class Change(Spec):
    """One change; applied to the module that the architecture builds, in the order they were made."""

    @abstractmethod
    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Change `module` in place, to the layers that train (`latent`) or to those that ship.

        Raises:
            ModelError: a layer it names does not exist or is of another kind.
        """


class BinaryLayers(Change):
    """The named convolutions become binary ones behind a batch norm and a sign."""

    kind = "binary_layers"

    layers: tuple[str, ...]

    def apply(self, module: nn.Module, *, latent: bool) -> None:
        """Replace the layers in place."""
        layer = LatentBinaryConv2d if latent else BinaryConv2d
        for name in self.layers:
            replace(module, name, layer(convolution(module, name)))


CHANGES: Registry[Change] = Registry("structural change", BinaryLayers)


def rebuild(module: nn.Module, structure: Iterable[Change], *, latent: bool = False) -> nn.Module:
    """Apply `structure` to a freshly built `module`, in place."""
    for change in structure:
        change.apply(module, latent=latent)
    return module


def convolution(module: nn.Module, name: str) -> nn.Conv2d:
    """The convolution called `name`.

    Raises:
        ModelError: there is none.
    """
    layer = dict(module.named_modules()).get(name)
    if not isinstance(layer, nn.Conv2d):
        known = [found for found, part in module.named_modules() if isinstance(part, nn.Conv2d)]
        raise ModelError(f"{name!r} is not a convolution of this model; it has {', '.join(known) or 'none'}")
    return layer
