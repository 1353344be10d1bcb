"""The control: training, and nothing else."""

from __future__ import annotations

import torch

from brinell.compressors import FineTune
from brinell.core import derive_seed
from brinell.data import Dataset
from brinell.training import Adversarial, Train, fit
from brinell.variants import Variant

QUICK = Train(epochs=2, batch_size=50, learning_rate=0.02, weight_decay=1e-3)


def test_it_is_fit(baseline: Variant, sample: Dataset) -> None:
    child = FineTune(train=QUICK).compress(baseline, sample, seed=4)
    module = baseline.trainable()
    fit(module, sample, QUICK, seed=derive_seed(4, "fine_tune", 1))
    assert all(torch.equal(tensor, child.tensors[name]) for name, tensor in module.state_dict().items())
    assert child.lineage[-1].figures == {"examples": len(sample), "epochs": 2}
    assert FineTune(train=QUICK).epochs == 2


def test_adversarial_examples_are_a_setting_like_any_other(baseline: Variant, sample: Dataset) -> None:
    plain, hard = (
        FineTune(train=QUICK.model_copy(update={"adversarial": adversarial})).compress(baseline, sample, seed=0)
        for adversarial in (None, Adversarial())
    )
    assert any(not torch.equal(tensor, hard.tensors[name]) for name, tensor in plain.tensors.items())
    assert plain.tensors.keys() == baseline.tensors.keys()
