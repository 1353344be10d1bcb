"""Dynamic network surgery: masks by hand, splicing, and the share of zeros to the weight."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.compressors import DNS, Compressor
from brinell.compressors.checks.float_layers import float_weights
from brinell.compressors.dns_mask import POINTS, Surgery
from brinell.core import ConfigurationError
from brinell.data import Dataset
from brinell.nn import deploy
from brinell.training import Adversarial, Train, accuracy
from brinell.variants import Variant

QUICK = Train(epochs=2, batch_size=50, learning_rate=0.05)


def weights(variant: Variant) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in float_weights(variant.deployed()).items()}


def layer(values: list[float]) -> nn.Linear:
    made = nn.Linear(len(values), 1, bias=False)
    made.weight.data = torch.tensor([values])
    return made


def set_weights(surgery: Surgery, values: list[float]) -> None:
    surgery.weight.data.copy_(torch.tensor([values]))


def mask(surgery: Surgery) -> list[int]:
    return surgery.mask.mask.int().flatten().tolist()


# One layer, by hand


def test_a_mask_prunes_splices_and_leaves_alone_what_lies_between() -> None:
    # mean |w| = 0.5, std |w| = 0.3: t = 0.5 + 0.5 * 0.3 = 0.65, borders 0.585 and 0.715
    values = [0.2, -0.2, 0.8, -0.8]
    part = layer(values)
    surgery = Surgery(part, "l", kept=None, c=0.5, seed=0)
    assert surgery.fixed == pytest.approx(0.65)
    surgery.begin(100)
    assert mask(surgery) == [0, 0, 1, 1]
    set_weights(surgery, [0.70, -0.72, 0.60, 0.58])  # between: stays; above: spliced; between: stays; below: pruned
    surgery.after_step(gamma=0, power=1)
    assert mask(surgery) == [0, 1, 1, 0]
    assert torch.equal(part.weight, torch.tensor([[0.0, -0.72, 0.60, 0.0]]))
    set_weights(surgery, [0.716, -0.584, 0.60, -5.0])
    surgery.after_step(gamma=0, power=1)
    assert mask(surgery) == [1, 0, 1, 1]
    assert surgery.mask.log[0].tolist() == [2 + 1 + 1, 0 + 1 + 2, 3]
    surgery.bake()
    assert type(part) is nn.Linear
    assert [name for name, _ in part.named_parameters()] == ["weight"]
    assert not torch.signbit(part.weight[part.weight == 0]).any()


def test_the_threshold_of_the_method_is_that_of_the_start_and_never_negative() -> None:
    surgery = Surgery(layer([0.2, -0.2, 0.8, -0.8]), "l", kept=None, c=-9, seed=0)
    assert surgery.fixed == 0
    surgery.begin(10)
    assert mask(surgery) == [1, 1, 1, 1]


def test_gaussian_weights_lose_what_the_method_says() -> None:
    part = nn.Linear(1000, 200)
    part.weight.data = torch.randn(200, 1000, generator=torch.Generator().manual_seed(0))
    for c, share in ((0.0, 0.527), (3.0, 0.981)):  # P(|z| <= 0.9 (0.798 + c * 0.603))
        surgery = Surgery(copy.deepcopy(part), "l", kept=None, c=c, seed=0)
        surgery.begin(10)
        assert 1 - float(surgery.mask.mask.float().mean()) == pytest.approx(share, abs=0.004)


def test_the_gradient_is_dense_and_pruned_weights_go_on_learning() -> None:
    part = layer([0.1, 1.0])
    surgery = Surgery(part, "l", kept=1, c=0, seed=0)
    surgery.begin(0)
    assert mask(surgery) == [0, 1]
    F.linear(torch.tensor([[3.0, 5.0]]), part.weight).sum().backward()
    assert torch.equal(surgery.weight.grad, torch.tensor([[3.0, 5.0]]))  # not [0, 5]


def test_the_last_change_meets_the_count_to_the_weight() -> None:
    part = nn.Linear(40, 40)
    surgery = Surgery(part, "l", kept=123, c=0, seed=0)
    surgery.begin(5)
    for _ in range(7):
        surgery.weight.data += 0.05 * torch.randn(40, 40)
        surgery.after_step(gamma=0, power=1)
    assert int(surgery.mask.mask.sum()) == 123
    assert int(surgery.mask.step) == 7


def test_every_change_leaves_the_wanted_number() -> None:
    """Not only the last one: what lies between the two borders counts too, and weights move meanwhile."""
    part = nn.Linear(40, 50)
    surgery = Surgery(part, "l", kept=200, c=0, seed=0)
    surgery.begin(last=10)
    assert sum(mask(surgery)) == 200
    for _ in range(9):
        before = mask(surgery)
        with torch.no_grad():
            surgery.weight.add_(0.05 * torch.randn_like(surgery.weight))
        surgery.after_step(0.0, 1.0)
        assert sum(mask(surgery)) == 200
        assert mask(surgery) != before


def test_changes_become_rarer_as_the_schedule_says() -> None:
    part = layer([0.1, 1.0])
    changes = []
    for seed in range(300):
        surgery = Surgery(copy.deepcopy(part), "l", kept=1, c=0, seed=seed)
        surgery.begin(50)
        seen = []
        surgery._change = seen.append  # type: ignore[method-assign]
        for _ in range(60):
            surgery.after_step(gamma=0.1, power=2)
        assert seen[-1] == 50  # surely at the last, and never after it
        changes.append(len(seen))
    expected = 1 + sum((1 + 0.1 * step) ** -2 for step in range(1, 50))
    assert sum(changes) / 300 == pytest.approx(expected, abs=0.6)  # four standard errors


# The compressor


@pytest.mark.filterwarnings("ignore:dns covers")
def test_the_wanted_share_is_met_overall_and_by_layer(baseline: Variant, sample: Dataset) -> None:
    child = DNS(sparsity=0.7, train=QUICK).compress(baseline, sample, seed=0)
    found = weights(child)
    total = sum(weight.numel() for weight in found.values())
    assert sum(int(weight.count_nonzero()) for weight in found.values()) == round(0.3 * total)
    assert child.lineage[-1].figures["sparsity"] == pytest.approx(0.7, abs=1 / total)
    shares = {"model.layer1.0.conv1": 0.5, "model.layer3.0.conv2": 0.9}
    child = DNS(sparsity=shares, train=QUICK).compress(baseline, sample, seed=0)
    for name, weight in weights(child).items():
        assert int(weight.count_nonzero()) == round((1 - shares.get(name, 0.0)) * weight.numel()), name


def test_one_c_for_all_is_what_shares_the_zeros_out(baseline: Variant) -> None:
    kept = DNS(sparsity=0.7)._kept(float_weights(baseline.trainable()))
    borders = []
    for name, weight in weights(baseline).items():
        size = weight.abs().flatten()
        scores = (size - size.mean()) / size.std(correction=0)
        borders.append(float(scores.sort(descending=True).values[kept[name] - 1]))
        assert 0 < kept[name] < weight.numel()
    spacing = 0.35  # of the scores next to the border in a layer of 36 weights
    assert max(borders) - min(borders) < spacing


def test_the_methods_own_c(baseline: Variant, sample: Dataset) -> None:
    child = DNS(sparsity=None, c=0.5, train=QUICK.model_copy(update={"learning_rate": 1e-6})).compress(
        baseline, sample, seed=0
    )
    for name, start in weights(baseline).items():
        size = start.abs()
        kept = size > 0.9 * float(size.mean() + 0.5 * size.std(correction=0))
        assert torch.equal(weights(child)[name] != 0, kept), name  # nothing moved: no mask changed again


def test_weights_come_back_and_the_network_still_works(baseline: Variant, sample: Dataset) -> None:
    child = DNS(sparsity=0.7, train=QUICK.model_copy(update={"epochs": 6})).compress(baseline, sample, seed=0)
    log = child.lineage[-1].figures["surgery"]
    assert sum(log["spliced"]) > 50
    assert accuracy(child.deployed(), sample) > 0.9


def test_the_log_adds_up(baseline: Variant, sample: Dataset) -> None:
    child = DNS(sparsity=0.7, train=QUICK).compress(baseline, sample, seed=0)
    log = child.lineage[-1].figures["surgery"]
    parts = weights(child)
    linear = {name for name in parts if name.endswith("linear")}
    for phase, names in ((1, parts.keys() - linear), (2, linear)):
        rows = [row for row in zip(*log.values(), strict=True) if row[0] == phase]
        left = sum(parts[name].numel() for name in names)
        assert [row[1] for row in rows] == sorted({row[1] for row in rows})
        for _, _, pruned, spliced, now in rows:
            left += spliced - pruned
            assert now == left
        assert left == sum(int(parts[name].count_nonzero()) for name in names)
    assert len(log["step"]) <= 2 * POINTS


def test_linear_layers_wait_for_the_convolutions(
    baseline: Variant, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    begin = Surgery.begin
    monkeypatch.setattr(Surgery, "begin", lambda self, last: (begun.append(self.name), begin(self, last))[1])
    assert DNS(train=QUICK).epochs == 4
    DNS(sparsity=0.5, train=QUICK).compress(baseline, sample, seed=0)
    assert begun[-1] == "model.linear"
    together = DNS(sparsity=0.5, phases="together", train=QUICK)
    assert together.epochs == 2
    child = together.compress(baseline, sample, seed=0)
    assert set(child.lineage[-1].figures["surgery"]["phase"]) == {1}


def test_nothing_of_the_masks_ships(baseline: Variant, sample: Dataset) -> None:
    child = DNS(train=QUICK).compress(baseline, sample, seed=0)
    assert child.tensors.keys() == baseline.tensors.keys()
    assert child.latent is None
    again = DNS(sparsity=0.95, train=QUICK).compress(child, sample, seed=0)
    assert again.lineage[-1].figures["sparsity"] > 0.94


def test_a_masked_module_deploys_to_what_it_computes() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    surgery = Surgery(module[1], "1", kept=5, c=0, seed=0)
    surgery.begin(0)
    shipped, x = deploy(module), torch.rand(2, 1, 2, 2)
    assert type(shipped[1]) is nn.Linear
    assert torch.equal(shipped(x), module(x))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_it_trains_on_adversarial_examples(precision: str, baseline: Variant, sample: Dataset) -> None:
    train = QUICK.model_copy(update={"adversarial": Adversarial(), "precision": precision})
    child = DNS(sparsity=0.6, train=train).compress(baseline, sample, seed=0)
    assert child.lineage[-1].figures["sparsity"] == pytest.approx(0.6, abs=0.001)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sparsity": 1.0}, "sparsity: expected a share"),
        ({"sparsity": {"conv1": -0.5}}, "sparsity: expected a share"),
        ({"c": 1.0}, "give sparsity or c"),
        ({"sparsity": None}, "give sparsity or c"),
        ({"stop": 0}, "stop: input should be greater than 0"),
        ({"phases": "one"}, "'in_turn' or 'together'"),
    ],
)
def test_bad_settings_are_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DNS.parse(fields)


@pytest.mark.parametrize(
    ("compressor", "message"),
    [
        (DNS(sparsity={"model.conv9": 0.5}), r"sparsity\.model\.conv9: no such layer; did you mean 'model\.conv1'"),
        (DNS(sparsity=None, c={"conv": 0.5}), r"c\.conv: no such layer"),
        (DNS(sparsity={}), "sparsity: no layer is named"),
        (DNS(sparsity={"model.conv1": 0.99}), r"leaves none of the 36 weights of model\.conv1"),
    ],
)
def test_what_the_network_cannot_do_is_refused_before_training(
    compressor: Compressor, message: str, baseline: Variant, sample: Dataset
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compressor.compress(baseline, sample, seed=0)


def test_layers_are_written_as_a_mapping_and_hash() -> None:
    written = DNS.parse({"sparsity": {"a": "1/2", "b": 0.9}})
    assert written.sparsity == (("a", 0.5), ("b", 0.9))
    assert hash(written) == hash(DNS.parse(written.config()))
