"""Networks as people write them, through every compressor: each works, or is one clear error."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

import brinell
from brinell.compressors import (
    DNS,
    INQ,
    ABCNet,
    Compressor,
    DeepCompression,
    Distill,
    FineTune,
    Int8,
    Prune,
    RobustCompression,
    XNORNet,
)
from brinell.core import BrinellError
from brinell.data import Dataset, from_tensors
from brinell.training import Train
from brinell.variants import Variant
from covering import covering_pairs
from zoo import ZOO, OddNetwork, evaluated, images_for

TINY = Train(epochs=1, batch_size=12, learning_rate=0.001)
COMPRESSORS: dict[str, Compressor] = {
    "fine_tune": FineTune(train=TINY),
    "distill": Distill(initialize="teacher", train=TINY),
    "weights": Prune(budget={"sparsity": 0.5}, train=TINY),
    "kernels": Prune(granularity="kernel", train=TINY),
    "filters": Prune(granularity="filter", budget={"macs": 0.8}, train=TINY),
    "dns": DNS(sparsity=0.5, train=TINY),
    "inq": INQ(shares=(0.5, 1), train=TINY),
    "deep_compression": DeepCompression(budget={"sparsity": 0.5}, train=TINY, sharing_epochs=1),
    "robust_compression": RobustCompression(sparsity=0.5, surgery_epochs=1, shares=(1,), train=TINY),
    "xnor_net": XNORNet(train=TINY),
    "abc_net": ABCNet(calibration=12, train=TINY),
    "int8": Int8(calibration_examples=13),
}
WORKING = [odd for odd in ZOO if odd.refused is None]


def name_of(value: OddNetwork | str) -> str:
    return value if isinstance(value, str) else value.name


@pytest.fixture(scope="module")
def train_data() -> Dataset:
    draw = torch.Generator().manual_seed(3)
    return from_tensors(torch.rand(24, 1, 8, 8, generator=draw), torch.arange(24) % 10)


@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_a_variant_computes_what_the_network_computes(odd: OddNetwork, train_data: Dataset, tmp_path: Path) -> None:
    """Untouched, and from a file; or it is refused."""
    reference = evaluated(odd.make()[0])
    with torch.no_grad():
        expected = reference(images_for(odd))
    try:
        variant = Variant.of(*odd.make()[:1], input_shape=(1, 8, 8), classes=10)
        assert brinell.save(variant, tmp_path / "v") > 0
        again = brinell.load(tmp_path / "v", model=odd.make()[0])
    except BrinellError:
        return
    for each in (variant, again):
        found = each(images_for(odd))
        assert odd.random or torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def _compressed(odd: OddNetwork, compressor: Compressor, data: Dataset, path: Path) -> None:
    """Compress, save and load; nothing but an error of ours may come of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is not covered; and of what PyTorch thinks of the network
        try:
            child = brinell.compress(odd.make()[0], compressor, train_data=data)
        except BrinellError:
            return
        images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        assert child(images.clone()).isfinite().all()
        brinell.save(child, path)
        again = brinell.load(path, model=odd.make()[0])
        assert odd.random or torch.equal(again(images.clone()), child(images.clone()))


@pytest.mark.parametrize(("odd", "kind"), covering_pairs(WORKING, [*COMPRESSORS], each=2, name=name_of))
def test_a_network_is_compressed_or_refused(odd: OddNetwork, kind: str, train_data: Dataset, tmp_path: Path) -> None:
    _compressed(odd, COMPRESSORS[kind], train_data, tmp_path / "v")


PLAIN = (
    "layers called twice",
    "module under two names",
    "tied parameter",
    "frozen backbone",
    "frozen batch norms in training mode",
    "depthwise separable",
    "transposed",
    "attention",
    "U-shaped",
    "extra state",
)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("kind", ["weights", "dns", "inq", "deep_compression"])
@pytest.mark.filterwarnings("ignore:.* covers")
def test_ordinary_ones_are_not_refused(name: str, kind: str, train_data: Dataset) -> None:
    (odd,) = [odd for odd in ZOO if odd.name == name]
    child = brinell.compress(odd.make()[0], COMPRESSORS[kind], train_data=train_data)
    assert child.lineage[-1].figures["coverage"]["covered"] > 0


@pytest.mark.parametrize("odd", [odd for odd in ZOO if odd.refused is not None], ids=lambda odd: odd.name)
def test_what_is_no_classifier_is_refused(odd: OddNetwork, train_data: Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for compressor in (COMPRESSORS["fine_tune"], COMPRESSORS["weights"], COMPRESSORS["int8"]):
            with pytest.raises(BrinellError):
                brinell.compress(odd.make()[0], compressor, train_data=train_data)
