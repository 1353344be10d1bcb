"""What a change of a network's modules is, and what changes share."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from brinell.core import ModelError, Spec


class StructureChange(Spec):
    """One change; applied to the module that the architecture builds, in the order they were made."""

    @abstractmethod
    def apply(self, module: nn.Module, *, latent: bool) -> nn.Module | None:
        """Change `module` in place, to the layers that train (`latent`) or to those that ship.

        A change of the whole returns what takes the module's place.

        Raises:
            ModelError: a layer it names does not exist or is of another kind.
        """


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
