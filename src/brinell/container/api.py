"""`brinell.save` and `brinell.load`: a variant in a file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from torch import nn

from brinell.container.deflate import Effort
from brinell.container.hub import HUB_SCHEME, download
from brinell.container.reading import read
from brinell.container.writing import write
from brinell.core import ModelError
from brinell.variants import Variant


def save(variant: Variant, path: str | os.PathLike[str], *, effort: Effort = "default") -> int:
    """Write `variant` to a `.brinell` file.

    Args:
        variant: The variant.
        path: The file; an existing one is replaced.
        effort: `fast`, `default` or `best`: the time to spend on a smaller file.

    Returns:
        Size of the file in bytes.

    Raises:
        ModelError: it is no variant; a module becomes one by `brinell.variants.Variant.of`.
        StoreError: a weight is not finite, or the file cannot be written; what was there before is untouched.

    Examples:
        >>> import brinell, pathlib, tempfile
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = save(variant, pathlib.Path(folder) / "digits.brinell")
        >>> size < 4 * sum(tensor.numel() for tensor in variant.tensors.values())
        True
    """
    if not isinstance(variant, Variant):
        raise ModelError(
            f"variant: expected a Variant, not {type(variant).__name__}; a module becomes one by "
            "brinell.variants.Variant.of(module, input_shape=(C, H, W), classes=K)"
        )
    return write(variant, Path(path), effort=effort)


def load(path: str | os.PathLike[str], *, model: nn.Module | None = None, runtime: str = "reference") -> Variant:
    """Read a `.brinell` file; its outputs equal those of the variant that was saved, exactly.

    Args:
        path: A file, or `hf://USER/REPO[@REVISION]/FILE.brinell`, a file of the Hugging Face hub (`brinell[hub]`).
        model: Instance of a user's own module, which no file can rebuild; its tensors do not matter.
        runtime: Kind of the runtime that computes the network, such as `reference` or `openvino`.

    Returns:
        The variant; it is called with images in [0, 1] and returns logits.

    Raises:
        StoreError: the file is missing, damaged, not a `.brinell` file, needs `model`, or does not fit the one given.
        UnsupportedError: there is no such runtime.

    Examples:
        >>> import brinell, pathlib, tempfile, torch
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "digits.brinell"
        ...     size = save(variant, path)
        ...     loaded = load(path)
        >>> torch.equal(loaded(torch.ones(1, 1, 8, 8)), variant(torch.ones(1, 1, 8, 8)))
        True
    """
    file = download(path) if isinstance(path, str) and path.startswith(HUB_SCHEME) else Path(path)
    return replace(read(file, model=model), runtime=runtime)
