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
    """Write `variant` to a `.brinell` file, and return the file's size in bytes.

    Raises:
        ModelError: it is no variant; a module becomes one by `brinell.variants.Variant.of`.
        StoreError: a weight is not finite, or the file cannot be written; what was there before is untouched.
    """
    if not isinstance(variant, Variant):
        raise ModelError(
            f"variant: expected a Variant, not {type(variant).__name__}; a module becomes one by "
            "brinell.variants.Variant.of(module, input_shape=(C, H, W), classes=K)"
        )
    return write(variant, Path(path), effort=effort)


def load(path: str | os.PathLike[str], *, model: nn.Module | None = None, runtime: str = "reference") -> Variant:
    """Read a `.brinell` file; its outputs equal those of the variant that was saved, exactly.

    `path` may be `hf://USER/REPO[@REVISION]/FILE.brinell`, a file of the Hugging Face hub (`brinell[hub]`). `model` is
    an instance of a user's own module, which no file can rebuild; its tensors do not matter.

    Raises:
        StoreError: the file is missing, damaged, not a `.brinell` file, needs `model`, or does not fit the one given.
        UnsupportedError: there is no such runtime.
    """
    file = download(path) if isinstance(path, str) and path.startswith(HUB_SCHEME) else Path(path)
    return replace(read(file, model=model), runtime=runtime)
