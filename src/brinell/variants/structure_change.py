"""What a change of a network's modules is, and what changes share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from torch import nn

from brinell.core import ModelError, Spec
from brinell.nn import BinaryLayer, replace, share_tensors, weight_identity


class StructureChange(Spec):
    """One change; applied to the module that the architecture builds, in the order they were made."""

    @abstractmethod
    def apply(self, module: nn.Module, *, latent: bool) -> nn.Module | None:
        """Change `module` in place, to the layers that train (`latent`) or to those that ship.

        A change of the whole returns what takes the module's place.

        Raises:
            ModelError: a layer it names does not exist or is of another kind.
        """


def replace_convolutions(module: nn.Module, names: Iterable[str], make: Callable[[nn.Conv2d], BinaryLayer]) -> None:
    """Put what `make` gives for each of the named convolutions in its place, under each of its names.

    Layers made of convolutions that share a weight share what they have of it.

    Raises:
        ModelError: a name is not a convolution's.
    """
    made: dict[int, tuple[nn.Conv2d, BinaryLayer]] = {}
    for name in names:
        before = convolution(module, name)
        layer = make(before)
        _, first = made.setdefault(id(weight_identity(before)), (before, layer))
        share_tensors(first, layer, layer.weight_tensors)
        replace(module, name, layer)


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
