"""Every attack on every kind of variant: its words are those of the deployed network, and it finds something."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import brinell
from brinell.attacks import ATTACKS, Attack, run_trial
from brinell.compressors import COMPRESSORS, Compressor
from brinell.data import Dataset
from brinell.nn import distances
from brinell.training import Train, fit
from brinell.variants import Variant

TRAIN = {"epochs": 4, "batch_size": 64, "learning_rate": 1e-2}
SETTINGS: dict[str, dict[str, object]] = {
    "robust_compression": {},
    "prune": {"granularity": "channel", "budget": {"macs": 0.6}},
    "abc_net": {"weight_bases": 2, "activation_bases": 2},
    "inq": {"weight_bits": 3, "shares": [0.6, 1.0]},
}
WEAK = {
    "fgsm": {"epsilon": 0.25},
    "bim": {"epsilon": 0.25, "steps": 4, "step_size": 0.1},
    "pgd": {"epsilon": 0.25, "steps": 4},
    "apgd": {"epsilon": 0.25, "steps": 6},
    "auto_attack": {"epsilon": 0.25, "steps": 4, "queries": 30},
    "fab": {"steps": 5, "targets": 2},
    "ddn": {"steps": 20},
    "fmn": {"steps": 20},
    "square": {"epsilon": 0.25, "steps": 60},
    "carlini_wagner": {"binary_search_steps": 2, "initial_const": 10, "steps": 30, "learning_rate": 0.1},
    "deepfool": {"steps": 10},
    "local_search": {"epsilon": 0.7, "steps": 6, "changes": 6},
    "gen_attack": {"epsilon": 0.5, "steps": 10, "mutation_range": 1},
}


def without_network_settings(kind: str) -> bool:
    """Whether a compressor's variant keeps a module that gives gradients; int8 is judged through ONNX Runtime."""
    return kind not in ("int8", "robust_compression")


@pytest.fixture(scope="module")
def baseline() -> Variant:
    torch.manual_seed(0)
    network = brinell.models.build("resnet8", width=8)
    train = Train(epochs=4, batch_size=64, learning_rate=0.05, schedule="one_cycle")
    fit(network, brinell.data.build("digits", split="train"), train, seed=0)
    return Variant.of(network, input_shape=(1, 8, 8), classes=10)


@pytest.fixture(scope="module")
def examples() -> tuple[Tensor, Tensor, Tensor]:
    images, labels = brinell.data.build("digits", split="test", examples=12).tensors()
    return images, labels, torch.arange(12)


def compressed(kind: str, baseline: Variant, data: Dataset) -> Variant:
    config: dict[str, object] = {"kind": kind, **SETTINGS.get(kind, {})}
    if "train" in COMPRESSORS[kind].model_fields:
        config["train"] = TRAIN
    compressor: Compressor = COMPRESSORS.parse(config)
    return compressor.compress(baseline, data, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in COMPRESSORS if without_network_settings(kind)])
def test_every_attack_on_what_the_compressor_makes(
    kind: str, baseline: Variant, examples: tuple[Tensor, Tensor, Tensor]
) -> None:
    data = brinell.data.build("digits", split="train", examples=256)
    variant = compressed(kind, baseline, data)
    module = variant.view()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for name in ATTACKS:
        attack: Attack = ATTACKS.parse({"kind": name, **WEAK[name]})
        result = run_trial(variant.deployed(), module, *examples, attack, seed=1, keep_images=True)
        assert result.adversarials is not None
        images, rows = result.adversarials[0], result.rows
        with torch.no_grad():
            assert np.array_equal(rows["prediction"], variant.deployed()(images).argmax(1).numpy()), name
        if attack.point.epsilon is not None:
            assert float(distances(examples[0], images)["linf"].max()) <= attack.point.epsilon + 1e-6, name
        hit = rows["target_rank"] == 0 if attack.targeted_only else rows["rank"] > 0
        assert hit.any(), f"{name} found nothing at a strength that breaks anything"
        attacked = rows["status"] == "attacked"
        assert (rows["forwards"][attacked] > 0).all(), name
        assert ((rows["backwards"][attacked] > 0) == (attack.needs == "gradient")).all(), name
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
