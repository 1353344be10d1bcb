"""`brinell init`: from a network and images to a study that runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from brinell.data import build
from brinell.models import CustomNetwork, Normalized
from brinell.study import Study, plan
from brinell.training import Train, fit

CODE = """
    from torch import nn

    def build():
        return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network of digits that expects other inputs than [0, 1], and its weights."""
    folder = tmp_path_factory.mktemp("init")
    (folder / "networks.py").write_text(textwrap.dedent(CODE))
    torch.manual_seed(0)
    module = CustomNetwork(file=folder / "networks.py").load((1, 8, 8), trusted=True).module
    normalized = Normalized(module, (0.0,), (1 / 255,))
    fit(normalized, build("digits"), Train(epochs=2, batch_size=64, learning_rate=1e-3, optimizer="adamw"), seed=0)
    save_file(module.state_dict(), folder / "w.safetensors")
    return folder


def test_a_study_is_written_that_is_accepted(brinell, folder, monkeypatch):
    monkeypatch.chdir(folder)
    given = ["networks.py:build", "--weights", "w.safetensors", "--data", "digits"]
    said = brinell("init", *given, "--hours", "0.02", "--out", "mine.yaml")
    assert said.status == 0, said.err
    assert "next: brinell run mine.yaml --trust-code" in said.out
    study = Study.from_yaml("mine.yaml")
    assert study.name == "mine"
    assert study.models["network"].source.mean is not None  # found by its accuracy
    planned = plan(study)
    assert {variant.name for variant in planned.variants} >= {"baseline", "pruned", "bits-5", "pruned-bits-5"}
    assert brinell("run", "mine.yaml", "--dry-run").err.startswith("error: models.network would run networks.py:build")
    again = brinell("init", *given, "--out", "mine.yaml")
    assert "mine.yaml exists" in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["networks.py:build", "--data", "digits", "--hours", "0"], "--hours: expected more than 0"),
        (["networks.py:build", "--data", "nowhere"], "--data: no folder at nowhere"),
        (["resnet8", "--data", "digits"], "give a checkpoint with --weights"),
    ],
)
def test_what_init_refuses(brinell, folder, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    found = brinell("init", *arguments, "--out", "other.yaml")
    assert found.status == 1
    assert said in found.err
    assert not Path("other.yaml").exists()
