"""ONNX files compute what the variants do, or are not there."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.compressors import Int8
from brinell.container import export_onnx
from brinell.core import UnsupportedError
from brinell.data import build
from brinell.models import MODELS
from brinell.variants import ABCLayers, Step, Variant, rebuild
from container.samples import SHAPE, VARIANTS


def run(path: Path, images: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def of_bases() -> Variant:
    """ABC-Net's layers, with thresholds and heights that differ."""
    module = MODELS["resnet8"].parse({}).module(0)
    base = Variant.of(module, input_shape=SHAPE, classes=10)
    names = tuple(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))[1:]
    change = ABCLayers(layers=names, weight_bases=3, activation_bases=2, scales="filter")
    return base.child(rebuild(module, [change], latent=True), Step("abc_net", {}, 0), structure=(change,))


@pytest.mark.parametrize("name", ["dense", "sparse-powers", "shared", "binary", "bases"])
def test_every_kind_of_variant(tmp_path: Path, name: str) -> None:
    variant = of_bases() if name == "bases" else VARIANTS[name]()
    size = export_onnx(variant, tmp_path / "v.onnx")
    assert size == (tmp_path / "v.onnx").stat().st_size
    onnx.checker.check_model(onnx.load(tmp_path / "v.onnx"), full_check=True)
    images = torch.rand(5, *SHAPE)
    close = (run(tmp_path / "v.onnx", images) - variant(images)).abs().amax(1) < 1e-4
    assert close.double().mean() >= 0.8


def test_an_int8_variant_is_its_graph(tmp_path: Path) -> None:
    data = build("digits", examples=60)
    variant = brinell.compress(MODELS["resnet8"].parse({}).module(0).eval(), Int8(), train_data=data)
    export_onnx(variant, tmp_path / "v.onnx")
    assert (tmp_path / "v.onnx").read_bytes() == variant.tensors["onnx"].numpy().tobytes()
    assert torch.equal(run(tmp_path / "v.onnx", data.tensors()[0]), variant(data.tensors()[0]))


class Shifting(nn.Module):
    """Tracing fixes what depends on values: the file would compute something else."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1) if float(x.std()) > 0.1 else -x.flatten(1)
        return self.last(x)


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(x).flatten(1)


@pytest.mark.parametrize(
    ("module", "message"), [(Shifting(), "logits differ from the network's on"), (Odd(), "Odd cannot be exported")]
)
def test_nothing_is_written_where_it_would_not_be_the_same(tmp_path: Path, module: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        export_onnx(Variant.of(module, input_shape=(1, 2, 2), classes=3), tmp_path / "v.onnx")
    assert not list(tmp_path.iterdir())
