"""MODEL and --data on the command line: files, code, kinds, folders, and what is none of them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import brinell as library
from brinell.cli.arguments.data_argument import read_data, with_shape
from brinell.cli.arguments.model_argument import names_apart, parse_shape, read_model
from brinell.core import ConfigurationError
from brinell.models import CustomNetwork
from brinell.store import RunStore

CODE = """
    from torch import nn

    def build(width=4):
        return nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 10))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "networks.py"
    path.write_text(textwrap.dedent(CODE))
    module = CustomNetwork(file=path).load((1, 8, 8), trusted=True).module
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    torch.export.save(torch.export.export(module, (torch.rand(2, 1, 8, 8),)), tmp_path / "net.pt2")
    return path


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("a.pt2", {"kind": "exported", "file": "a.pt2"}),
        ("folder/a.onnx", {"kind": "onnx", "file": "folder/a.onnx"}),
        ("networks.py", {"kind": "custom", "file": "networks.py"}),
        ("networks.py:net", {"kind": "custom", "file": "networks.py", "factory": "net"}),
        ("package.models:net", {"kind": "custom", "module": "package.models", "factory": "net"}),
        ("timm:resnet18.a1_in1k", {"kind": "timm", "name": "resnet18.a1_in1k"}),
        ("torchvision:resnet18", {"kind": "torchvision", "name": "resnet18"}),
        ("resnet20", {"kind": "resnet20"}),
    ],
)
def test_what_a_model_argument_means(text, settings):
    found = read_model(text)
    assert found.file is None
    assert found.settings == settings


def test_code_and_its_export_are_attacked_alike(brinell, code, tmp_path):
    attack = ["--data", "digits", "--with", "fgsm", "--set", "epsilon=8/255", "--examples", "40"]
    of_code = brinell("attack", f"{code}:build", "--weights", tmp_path / "w.safetensors", *attack)
    exported = brinell("attack", tmp_path / "net.pt2", *attack)
    assert of_code.status == exported.status == 0
    assert of_code.out == exported.out
    assert "robust accuracy" in of_code.out


def test_what_code_becomes_needs_no_code(brinell, code, tmp_path):
    """Compressed, inspected, measured and exported from a file of the graph alone."""
    small = tmp_path / "small.brinell"
    given = ["--weights", tmp_path / "w.safetensors", "--data", "digits"]
    made = brinell("compress", f"{code}:build", *given, "--with", "prune", "--set", "train.epochs=0", "--out", small)
    assert made.status == 0, made.err
    code.unlink()
    assert "graph" in brinell("inspect", small).out
    assert "2 operators" not in brinell("inspect", small).out
    assert brinell("export", small, "--out", tmp_path / "copy.brinell").status == 0
    assert (tmp_path / "copy.brinell").read_bytes() == small.read_bytes()
    assert library.load(small)(torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_several_models_are_told_apart(brinell, code, tmp_path):
    shape = ["--weights", tmp_path / "w.safetensors", "--input-shape", "1,8,8"]
    found = brinell("sizes", f"{code}:build", *shape)
    assert found.status == 0, found.err
    other = tmp_path / "other"
    other.mkdir()
    for folder in (tmp_path, other):
        brinell("export", tmp_path / "net.pt2", "--out", folder / "a.brinell")
    both = brinell("inspect", tmp_path / "a.brinell", other / "a.brinell")
    assert "a.brinell\nnetwork" in both.out
    assert "other/a.brinell\nnetwork" in both.out
    one = brinell("sizes", tmp_path / "a.brinell", tmp_path / "gone.brinell")
    assert one.status == 1
    assert "a.brinell" in one.out
    assert "gone.brinell" in one.err


def test_names_apart():
    assert names_apart(["x/a.brinell", "y/b.brinell"]) == ["a.brinell", "b.brinell"]
    assert names_apart(["r/v/1/variant.brinell", "r/v/2/variant.brinell"]) == ["1", "2"]
    assert names_apart(["r/a.brinell", "r/s/a.brinell"]) == ["a.brinell", "s/a.brinell"]


def test_variants_of_a_run_are_exported_by_name(brinell, done, tmp_path):
    store = RunStore(done)
    named = {variant.name: variant.key for variant in store.plan().variants}
    said = brinell("export", done, "pruned", "--out", tmp_path / "p.brinell")
    assert said.status == 0, said.err
    file = store.variant_file(named["pruned"], "variant.brinell")
    assert (tmp_path / "p.brinell").read_bytes() == file.read_bytes()
    assert (done / "variants" / "pruned.brinell").read_bytes() == file.read_bytes()
    assert "did you mean 'pruned'? accepted: base, pruned" in brinell("export", done, "prune").err
    assert "name one of its variants" in brinell("export", done).err
    assert "only a run has variants" in brinell("export", file, "pruned").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "w.safetensors"], "a checkpoint holds no network; name the network"),
        (["inspect", "networks.py:build"], "the shape of its images is needed"),
        (["inspect", "networks.py:biuld", "--input-shape", "1,8,8"], "did you mean 'build'?"),
        (["inspect", "networks.py:build", "--input-shape", "8x8"], "expected CHANNELS,HEIGHT,WIDTH"),
        (["inspect", "gone.pt2"], "no file at gone.pt2"),
        (["export", "net.pt2"], "give --onnx OUT or --openvino DIR, or --out FILE"),
        (["inspect", "net.pt2", "--set", "epsilon=1"], "only model. and data. can be set here"),
        (["inspect", "net.pt2", "--set", "model=1"], "set its fields, such as model.mean="),
        (["attack", "net.pt2", "--data", "nowhere", "--with", "fgsm", "--set", "epsilon=0"], "no folder at nowhere"),
        (["inspect", "small.brinell", "--weights", "w.safetensors"], "holds its settings and weights; leave out"),
    ],
)
def test_mistakes_are_one_error(brinell, code, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    found = brinell(*arguments)
    assert found.status == 1
    assert found.err.startswith("error: ")
    assert said in found.err
    assert "Traceback" not in found.err


def test_data_is_a_kind_or_a_place(tmp_path):
    assert read_data("digits") == {"kind": "digits"}
    assert read_data(str(tmp_path)) == {"kind": "images", "root": str(tmp_path)}
    (tmp_path / "a.npz").touch()
    assert read_data(str(tmp_path / "a.npz")) == {"kind": "arrays", "root": str(tmp_path / "a.npz")}
    with pytest.raises(ConfigurationError, match="did you mean 'digits'"):
        read_data("digit")


def test_images_have_the_size_that_the_network_declares():
    assert with_shape({"kind": "images", "root": "a"}, (1, 8, 6)) == {
        "kind": "images",
        "root": "a",
        "size": [8, 6],
        "channels": 1,
    }
    assert with_shape({"kind": "images", "size": 9}, (1, 8, 6))["size"] == 9
    assert with_shape({"kind": "digits"}, (1, 8, 6)) == {"kind": "digits"}
    assert parse_shape("3,32,32") == parse_shape("3x32x32") == (3, 32, 32)


def test_a_folder_of_images_is_attacked(brinell, code, tmp_path, monkeypatch):
    monkeypatch.setenv("BRINELL_CACHE", str(tmp_path / "cache"))
    for split in ("train", "val"):
        for label in range(10):
            folder = tmp_path / "images" / split / str(label)
            folder.mkdir(parents=True)
            Image.new("L", (8, 8), 20 * label).save(folder / "a.png")
    found = brinell(
        "attack", tmp_path / "net.pt2", "--data", tmp_path / "images", "--with", "fgsm", "--set", "epsilon=0"
    )
    assert found.status == 0, found.err
    assert "on 10 images of images/test" in found.out


def test_list_shows_nested_settings_with_the_defaults_that_apply(brinell):
    lines = {line.split()[0]: line for line in brinell("list", "compressors", "prune").out.splitlines() if line.strip()}
    assert "default 8" in lines["train.epochs"]
    assert "float" in lines["budget.macs"]
    assert "train.adversarial.steps" in lines


def test_list_shows_probes_networks_and_the_text_of_a_study(brinell):
    assert "masking" in brinell("list", "probes").out
    assert "epsilon" in brinell("list", "probes", "masking").out
    assert "custom" in brinell("list", "models").out
    assert "name: quickstart" in brinell("list", "studies", "quickstart").out
    assert "did you mean 'quickstart'" in brinell("list", "studies", "quikstart").err


def test_a_dry_run_says_how_long_it_takes(brinell, study, tmp_path):
    said = brinell("run", study, "--dry-run", "--out", tmp_path / "none")
    assert re.search(r"passes: about \d+ s here in one process, by a measured pass", said.out)
    assert not (tmp_path / "none").exists()
