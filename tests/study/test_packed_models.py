"""Studies that begin with a packed network."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

import brinell
from brinell.analysis import load_rows
from brinell.compressors import Int8, Prune, XNORNet
from brinell.core import BrinellError
from brinell.data import build
from brinell.study import Study
from brinell.training import Train, fit
from brinell.variants import Variant

LONGER = Train(epochs=6, batch_size=64, learning_rate=0.01, optimizer="adamw", weight_decay=0)
SHORT = Train(epochs=1, batch_size=64, learning_rate=0.01)
EXAMPLES = 40


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> dict[str, Path]:
    """A small network of digits, packed in several ways, and one whose architecture only its code knows."""
    torch.manual_seed(0)
    module, train = brinell.models.build("resnet8", width=2), build("digits")
    fit(module, train, Train(epochs=3, batch_size=64, learning_rate=0.05), seed=0)
    made = {
        "pruned": brinell.compress(
            module, Prune(budget={"macs": 0.5}, granularity="channel", train=SHORT), train_data=train
        ),
        "xnor": brinell.compress(module, XNORNet(train=LONGER), train_data=train),
        "int8": brinell.compress(module, Int8(), train_data=train),
    }
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    made["own"] = Variant.of(own, input_shape=(1, 8, 8), classes=10)
    folder = tmp_path_factory.mktemp("packed")
    for name, variant in made.items():
        brinell.save(variant, folder / f"{name}.brinell")
    return {name: folder / f"{name}.brinell" for name in made}


def study(file: Path, **variants) -> Study:
    return Study.parse(
        {
            "name": "packed",
            "data": {"kind": "digits", "train": {"examples": 200}, "test": {"examples": EXAMPLES}},
            "models": {"packed": {"kind": "packed", "file": str(file)}},
            "variants": {"start": {"model": "packed"}, **variants},
            "attacks": {"pgd": {"kind": "pgd", "epsilon": "8/255", "steps": 3, "view": "natural"}},
            "probes": {"masking": False},
        }
    )


@pytest.mark.parametrize("name", ["pruned", "xnor", "int8"])
def test_the_variant_is_the_packed_one(packed, name, tmp_path):
    result = brinell.run(study(packed[name]), out=tmp_path / "run")
    assert not result.ended("failed")
    expected = brinell.load(packed[name])
    named = brinell.load(tmp_path / "run/variants/start.brinell")
    assert named.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(named.tensors[key], value) for key, value in expected.tensors.items())
    test = build("digits", split="test")
    predicted = dict(zip(test.ids.tolist(), expected(test.tensors()[0]).argmax(1).tolist(), strict=True))
    rows = load_rows(tmp_path / "run").filter(pl.col("attack") == "clean")
    assert rows["prediction"].to_list() == [predicted[example] for example in rows["example_id"]]


def test_it_is_compressed_and_trained_further(packed, tmp_path):
    variants = {
        "tuned": {"model": "packed", "train": {"epochs": 1, "batch_size": 64}},
        "powers": {"from": "start", "compress": {"kind": "inq", "weight_bits": 5, "train": {"epochs": 1}}},
    }
    result = brinell.run(study(packed["pruned"], **variants), out=tmp_path / "run")
    assert not result.ended("failed")
    start, tuned, powers = (
        brinell.load(tmp_path / f"run/variants/{name}.brinell") for name in ("start", "tuned", "powers")
    )
    assert start.structure
    assert tuned.structure == powers.structure == start.structure
    assert [step.kind for step in powers.lineage] == ["prune", "inq"]
    assert [step.kind for step in tuned.lineage] == ["prune", "train"]
    assert not torch.equal(tuned.tensors["model.conv1.weight"], start.tensors["model.conv1.weight"])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("own", {}, "models.packed.*holds a user's own module"),
        ("nowhere", {}, "models.packed.*nowhere.brinell: there is no such file"),
        ("pruned", {"mean": [0.5], "std": [0.5]}, "models.packed.*holds its normalisation"),
        ("pruned", {"weights": "w.safetensors"}, "models.packed.weights"),
    ],
)
def test_what_no_study_can_begin_with_is_refused(packed, tmp_path, name, changes, message):
    file = packed.get(name, tmp_path / "nowhere.brinell")
    config = study(packed["pruned"]).config()
    config["models"]["packed"] = {"kind": "packed", "file": str(file), **changes}
    with pytest.raises(BrinellError, match=message):
        brinell.run(Study.parse(config), out=tmp_path / "run")


def test_an_int8_network_is_not_trained(packed, tmp_path):
    powers = {"from": "start", "compress": {"kind": "inq", "train": {"epochs": 1}}}
    with pytest.raises(BrinellError, match=r"variants.powers.compress.*int8"):
        brinell.run(study(packed["int8"], powers=powers), out=tmp_path / "run")
