"""A study may begin with a network that is packed already."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import model_validator

from brinell.container.api import load
from brinell.core import ModelError, Registry
from brinell.models import NETWORKS, LoadedNetwork, NetworkSource
from brinell.variants import Variant


class PackedNetwork(NetworkSource):
    """A `.brinell` file that stands alone, such as what a study or `brinell import` writes.

    The variant of it is the packed one with all that was done to it: pruned channels, binary layers, int8 kernels. It
    is attacked and compressed further as it is, and trained where it can be; int8 networks cannot.

    In a study: `{kind: packed, file: small.brinell}`.

    Examples:
        >>> import pathlib, tempfile, brinell
        >>> variant = brinell.variants.Variant.of(brinell.models.build("resnet8"), input_shape=(1, 8, 8), classes=10)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = brinell.save(variant, pathlib.Path(folder, "small.brinell"))
        ...     packed = PackedNetwork(file=pathlib.Path(folder, "small.brinell")).variant()
        >>> packed.input_shape, packed.classes
        ((1, 8, 8), 10)
    """

    kind = "packed"
    brings_weights = True

    file: Path
    """The `.brinell` file."""

    @model_validator(mode="after")
    def _holds_its_normalisation(self) -> PackedNetwork:
        if self.mean is not None or self.channel_order != "rgb":
            raise ValueError("a .brinell file holds its normalisation; leave out mean, std and channel_order")
        return self

    def variant(self, input_shape: tuple[int, int, int] | None = None) -> Variant:
        """The packed variant.

        Raises:
            StoreError: the file is missing, damaged, or needs the code of its author.
            ModelError: its images are not of `input_shape`.
        """
        variant = load(self.file)
        if input_shape not in (None, variant.input_shape):
            raise ModelError(
                f"{self.file}: takes images {variant.input_shape}, not {input_shape}; set the data's size and channels"
            )
        return variant

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The module that ships, of images of the shape that it was packed with."""
        variant = self.variant(input_shape)
        return LoadedNetwork(variant.deployed(), variant.input_shape, variant.classes)


STUDY_NETWORKS: Final[Registry[Any]] = Registry("model", PackedNetwork, extends=NETWORKS)
"""Everything that a study may name as a model: `brinell.models.NETWORKS`, and packed files."""
