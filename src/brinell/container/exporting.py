"""From a variant to an ONNX file, which is checked before it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from brinell.core import StoreError, UnsupportedError, derive_seed
from brinell.nn.onnx_graph import OnnxNetwork, open_session, run_session, to_onnx
from brinell.runtimes import OpenVINO
from brinell.store import atomic_folder, atomic_path
from brinell.variants import Variant, natural_view

_IMAGES: Final = 32

_CLOSE: Final = 1e-3
"""Of the largest logit: what sums in another order may differ by."""

_FLIPS: Final = 0.1
"""Share of images that may differ in a network of signs, where the last bit of a sum can turn one."""


def export_onnx(variant: Variant, path: Path) -> int:
    """Write the deployed network as an ONNX file, from images in [0, 1] to logits.

    Before the file is moved into place, ONNX Runtime computes random images with it, and its logits are compared with
    the variant's own. An int8 variant is its graph already. What ONNX has no small types for grows: bits become floats.

    Args:
        variant: The variant.
        path: The file to write.

    Returns:
        Size of the file in bytes.

    Raises:
        ConfigurationError: `onnx` or ONNX Runtime is not installed.
        UnsupportedError: ONNX has no operation for something the network does, or ONNX Runtime computes another result.
        StoreError: the file cannot be written.
    """
    module = variant.deployed("reference")
    graph = module.graph if isinstance(module, OnnxNetwork) else to_onnx(module, variant.input_shape)
    if not isinstance(module, OnnxNetwork):
        _check(graph, module, _random_images(variant))
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(graph)
    return len(graph)


def export_openvino(variant: Variant, folder: Path) -> int:
    """Write the deployed network as an OpenVINO model, `model.xml` and `model.bin`.

    Bits of binary layers stay bits, and whole numbers whole. Before the files are moved into place, OpenVINO reads and
    compiles them, and their logits are compared with the variant's own. A network with bits is written for one image a
    pass, for its kernels take no other number unless `reshape` asks for one.

    Args:
        variant: The variant.
        folder: The folder to make.

    Returns:
        Size of both files in bytes.

    Raises:
        ConfigurationError: `openvino` or `onnx` is not installed.
        UnsupportedError: OpenVINO has no operation for something the network does, or computes another result.
        StoreError: the folder exists or cannot be written.
    """
    if Path(folder).exists():
        raise StoreError(f"{folder} exists already; give a folder that does not")
    with atomic_folder(Path(folder)) as temporary:
        OpenVINO().write(variant.deployed("reference"), variant.input_shape, temporary / "model.xml")
        return sum(file.stat().st_size for file in temporary.iterdir())


def _random_images(variant: Variant) -> Tensor:
    """From grey to noise, so that each has other activations."""
    draw = torch.Generator().manual_seed(derive_seed(0, "export"))
    contrast = torch.linspace(0.02, 1, _IMAGES).view(-1, 1, 1, 1)
    return 0.5 + contrast * (torch.rand(_IMAGES, *variant.input_shape, generator=draw) - 0.5)


def _check(graph: bytes, module: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        own = module(images)
    found = run_session(open_session(graph), images)
    if found.shape != own.shape:
        raise UnsupportedError(f"onnx: ONNX Runtime gives {tuple(found.shape)}, the network {tuple(own.shape)}")
    distances = (found - own).flatten(1).abs().amax(1) / own.abs().max().clamp_min(1e-6)
    wrong = float((distances > _CLOSE).double().mean())
    if wrong > (0 if natural_view(module) == "exact" else _FLIPS):
        raise UnsupportedError(
            f"onnx: ONNX Runtime's logits differ from the network's on {wrong:.0%} of {len(images)} random images, "
            f"by up to {float(distances.max()):.2g} of the largest; nothing was written"
        )
