"""Latent weights: what a network in training has and does not ship. Plain safetensors, beside the variant's file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from brinell.core import StoreError
from brinell.store import atomic_path
from brinell.variants import Variant


def write_latent(variant: Variant, path: Path) -> None:
    """Keep `variant.latent`, atomically.

    Args:
        variant: The variant.
        path: The file.

    Raises:
        StoreError: the variant has none (it trains what it ships), or the file cannot be written.
    """
    if variant.latent is None:
        raise StoreError(f"{path}: the variant has no latent weights to keep")
    with atomic_path(Path(path)) as temporary:
        save_file({name: tensor.contiguous().clone() for name, tensor in variant.latent.items()}, temporary)


def read_latent(path: Path) -> dict[str, Tensor]:
    """The latent weights in `path`.

    Args:
        path: The file.

    Returns:
        Latent weights by name.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"cannot read the latent weights {path}: {error}") from error
    return tensors
