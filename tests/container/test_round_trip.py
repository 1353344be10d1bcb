"""What is written is what is read, bit for bit, for every kind of variant; and what cannot be written says so."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

import brinell
from brinell.container import inspect, read, read_latent, write, write_latent
from brinell.core import ConfigurationError, StoreError
from brinell.variants import Step, Variant
from container.samples import SHAPE, VARIANTS, Mixed, binary, mixed, pruned, same, skeleton, weights


@pytest.mark.parametrize("effort", ["fast", "default", "best"])
@pytest.mark.parametrize("name", VARIANTS)
def test_everything_comes_back(tmp_path: Path, name: str, effort: str) -> None:
    variant, path = VARIANTS[name](), tmp_path / "v.brinell"
    assert write(variant, path, effort=effort) == path.stat().st_size
    again = read(path, model=skeleton(name))
    assert same(again.tensors, variant.tensors)
    for field in ("architecture", "structure", "input_shape", "classes", "lineage"):
        assert getattr(again, field) == getattr(variant, field)
    if name != "mixed":
        images = torch.rand(8, *SHAPE)
        assert torch.equal(again.deployed()(images), variant.deployed()(images))


def test_bytes_are_a_function_of_the_variant(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(weights(pruned()), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_of_one_section_are_not_views_of_each_other(tmp_path: Path) -> None:
    write(weights(pruned()), tmp_path / "v")
    tensors = read(tmp_path / "v").tensors
    for tensor in tensors.values():
        assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_a_users_own_module_needs_an_instance_of_it(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    variant = Variant.of(module, input_shape=(3, 2, 2), classes=3)
    write(variant, tmp_path / "own")
    other = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    again = read(tmp_path / "own", model=other)
    images = torch.rand(4, 3, 2, 2)
    assert torch.equal(again(images), variant(images))
    with torch.no_grad():
        other[1].weight.fill_(0)
    assert torch.equal(again(images), variant(images))
    with pytest.raises(StoreError, match="model="):
        read(tmp_path / "own")


def test_an_instance_of_another_module_is_refused(tmp_path: Path) -> None:
    write(Variant.of(nn.Sequential(nn.Linear(12, 3)), input_shape=(3, 2, 2), classes=3), tmp_path / "own")
    with pytest.raises(StoreError, match=r"'0\.weight' is \(3, 12\) in the file and \(4, 12\) in the network"):
        read(tmp_path / "own", model=nn.Sequential(nn.Linear(12, 4)))
    with pytest.raises(StoreError, match=r"'1\.weight' is missing; '1\.bias' is missing"):
        read(tmp_path / "own", model=nn.Sequential(nn.Linear(12, 3), nn.Linear(3, 3)))
    with pytest.raises(StoreError, match=r"'0\.bias' is not part of the network"):
        read(tmp_path / "own", model=nn.Sequential(nn.Linear(12, 3, bias=False)))


def test_a_binary_variant_of_a_users_own_module(tmp_path: Path) -> None:
    variant = binary()
    own = dataclasses.replace(variant, architecture=None, skeleton=variant.architecture.module().model)
    renamed = {name.removeprefix("model."): tensor for name, tensor in own.tensors.items()}
    change = variant.structure[0].model_copy(
        update={"layers": tuple(name.removeprefix("model.") for name in variant.structure[0].layers)}
    )
    own = dataclasses.replace(own, tensors=renamed, structure=(change,))
    write(own, tmp_path / "own")
    again = read(tmp_path / "own", model=variant.architecture.module(seed=5).model)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(again(images), own(images))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, bad: float) -> None:
    variant = mixed()
    variant.tensors["of_float16"][0, 1] = bad
    with pytest.raises(StoreError, match="of_float16: 1 of 63 values are NaN or infinite"):
        write(variant, tmp_path / "v")
    assert not list(tmp_path.iterdir())


def test_types_that_files_do_not_hold_are_named(tmp_path: Path) -> None:
    variant = mixed()
    variant.tensors["of_bool"] = torch.zeros(3, dtype=torch.complex64)
    with pytest.raises(StoreError, match=r"of_bool: tensors of torch\.complex64"):
        write(variant, tmp_path / "v")


def test_figures_that_are_not_finite_are_unknown(tmp_path: Path) -> None:
    variant = dataclasses.replace(mixed(), lineage=(Step("k", {"a": (1, 2)}, 0, {"loss": math.nan}),))
    write(variant, tmp_path / "v")
    assert read(tmp_path / "v", model=Mixed()).lineage == (Step("k", {"a": [1, 2]}, 0, {"loss": None}),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 0}, "classes: input should be greater than or equal to 1"),
        ({"input_shape": (1, 1, 10**6)}, r"input_shape\.2"),
        ({"lineage": (Step("k", {"where": Path("x")}, 0),)}, "cannot be written as JSON"),
        ({"lineage": (Step("k", {"name": "\ud800"}, 0),)}, "cannot be written as JSON"),
        ({"lineage": (Step("k", {"long": "x" * (5 << 20)}, 0),)}, "4194304 are accepted"),
    ],
)
def test_what_a_header_cannot_say_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        write(dataclasses.replace(mixed(), **change), tmp_path / "v")
    assert not list(tmp_path.iterdir())


def test_an_effort_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="effort: unknown effort 'most'; accepted: fast, default, best"):
        write(mixed(), tmp_path / "v", effort="most")


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write(mixed(), tmp_path / "file" / "v")


def test_the_verbs(tmp_path: Path) -> None:
    variant = weights(pruned())
    assert brinell.save(variant, str(tmp_path / "v"), effort="fast") == (tmp_path / "v").stat().st_size
    again = brinell.load(str(tmp_path / "v"))
    assert same(again.tensors, variant.tensors)
    assert again.runtime == "reference"
    with pytest.raises(ConfigurationError, match="runtime: unknown runtime 'nonsense'; accepted: reference"):
        brinell.load(str(tmp_path / "v"), runtime="nonsense")


def test_latent_weights(tmp_path: Path) -> None:
    variant = binary()
    write_latent(variant, tmp_path / "latent.safetensors")
    assert same(
        dict(sorted(read_latent(tmp_path / "latent.safetensors").items())), dict(sorted(variant.latent.items()))
    )
    (tmp_path / "latent.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(StoreError, match="cannot read the latent weights"):
        read_latent(tmp_path / "latent.safetensors")
    with pytest.raises(StoreError, match="cannot read the latent weights"):
        read_latent(tmp_path / "nothing")
    with pytest.raises(StoreError, match="has no latent weights"):
        write_latent(mixed(), tmp_path / "latent.safetensors")


def test_looking_inside(tmp_path: Path) -> None:
    variant = binary()
    size = write(variant, tmp_path / "v")
    seen = inspect(tmp_path / "v")
    assert seen.encoded_bytes == size
    assert seen.dense_bytes == sum(tensor.nbytes for tensor in variant.tensors.values())
    assert seen.ratio == seen.dense_bytes / size
    assert seen.architecture == variant.architecture.config()
    assert [step.kind for step in seen.lineage] == ["xnor_net"]
    assert {tensor.name: tensor.shape for tensor in seen.tensors} == {
        name: tuple(tensor.shape) for name, tensor in variant.tensors.items()
    }
    streams = sum(tensor.encoded_bytes for tensor in seen.tensors)
    assert abs(seen.header_bytes + streams - size) <= len(seen.tensors) / 2
    coded = {tensor.name: tensor.coding for tensor in seen.tensors}
    assert coded["model.layer1.0.conv1.weight"] == "bits"
    assert coded["model.layer1.0.conv1.scale"] == "dense"
