"""What is no classifier, or cannot be trained, is one clear error before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.compressors import FineTune, Int8, Prune
from brinell.core import ConfigurationError, ModelError, StoreError
from brinell.data import Dataset
from brinell.training import Train, fit
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50)


class Returns(nn.Module):
    """Logits that something is done with."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.convolution, self.linear, self.change = nn.Conv2d(1, 4, 3), nn.Linear(4, 10), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.linear(self.convolution(x).relu().mean((2, 3))))


CHANGES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "dict": (lambda out: {"logits": out}, "not a dict; return the logits alone"),
    "tuple": (lambda out: (out, out), "not a tuple; return the logits alone"),
    "none": (lambda out: None, "not a NoneType"),
    "whole numbers": (lambda out: out.long(), "of a floating-point type, not torch.int64"),
    "too few": (lambda out: out[:, :3], r"has 3 logits; digits/train has labels up to 9"),
    "maps": (lambda out: out[:, :, None], r"must give logits \(N, classes\), not \(2, 10, 1\)"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_no_logits_is_refused_everywhere(name: str, sample: Dataset) -> None:
    change, message = CHANGES[name]
    with pytest.raises(ModelError, match=message):
        fit(Returns(change), sample, QUICK, seed=0)
    for compressor in (Prune(train=QUICK), Prune(granularity="filter", train=QUICK), Int8(), FineTune(train=QUICK)):
        with pytest.raises(ModelError, match=message):
            brinell.compress(Returns(change).eval(), compressor, train_data=sample)


def test_a_forward_pass_without_gradients_cannot_be_trained(sample: Dataset) -> None:
    with pytest.raises(ModelError, match="logits have no gradient: its forward pass leaves it out"):
        brinell.compress(Returns(torch.Tensor.detach).eval(), FineTune(train=QUICK), train_data=sample)


def test_images_of_another_size_are_refused(sample: Dataset) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(81, 10))
    with pytest.raises(ModelError, match=r"does not accept images \(1, 8, 8\)"):
        brinell.compress(module, Prune(train=QUICK), train_data=sample)


def test_a_lazy_layer_without_a_shape_is_named() -> None:
    with pytest.raises(ModelError, match=r"0.weight belongs to a lazy layer without a shape"):
        Variant.of(nn.Sequential(nn.LazyLinear(10)), input_shape=(1, 8, 8), classes=10)


def test_extra_state_stays_with_the_skeleton(sample: Dataset, tmp_path: Any) -> None:
    class Extra(Returns):
        def get_extra_state(self) -> dict[str, int]:
            return {"version": 3}

        def set_extra_state(self, state: Any) -> None:
            assert state == {"version": 3}

    def same(out: Tensor) -> Tensor:
        return out

    child = brinell.compress(Extra(same).eval(), FineTune(train=QUICK), train_data=sample)
    brinell.save(child, tmp_path / "v")
    images = sample.tensors()[0]
    assert torch.equal(brinell.load(tmp_path / "v", model=Extra(same))(images), child(images))


def test_a_compressor_is_a_value_and_no_class(sample: Dataset) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a compressor's value, such as Prune\(\), not Prune"):
        brinell.compress(Returns(torch.Tensor.detach), Prune, train_data=sample)  # type: ignore[arg-type]


def _forward_over_layers(whole: nn.Sequential) -> None:
    layers = list(whole)
    whole.forward = lambda x: layers[2](layers[1](layers[0](x)))


def _forward_of_a_layer(whole: nn.Sequential) -> None:
    first = whole[0]
    first.forward = lambda x: nn.functional.conv2d(x, first.weight, first.bias)


def _hook_over_a_layer(whole: nn.Sequential) -> None:
    whole[1].register_forward_hook(lambda part, inputs, output: output * whole[0].weight.sum())


def _attribute_over_a_layer(whole: nn.Sequential) -> None:
    class Calls(nn.Module):
        def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x)

    whole.insert(0, Calls(lambda x: x * whole[1].bias.sum()))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_forward_over_layers, "0.weight"),
        (_forward_of_a_layer, "0.weight"),
        (_hook_over_a_layer, "0.weight"),
        (_attribute_over_a_layer, "1.bias"),
    ],
)
def test_a_copy_that_computes_with_the_weights_of_the_original_is_refused(
    change: Callable[[nn.Sequential], None], named: str, sample: Dataset, tmp_path: Any
) -> None:
    """What is compressed or loaded is a copy; a function that was made with the layers goes on with the original's."""

    def network() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))

    whole = network()
    change(whole)
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    with pytest.raises(ModelError, match=f"computes with {named} of the module it was made with"):
        brinell.compress(whole, FineTune(train=QUICK), train_data=sample)
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())
    if change is not _attribute_over_a_layer:
        brinell.save(Variant.of(network(), input_shape=(1, 8, 8), classes=10), tmp_path / "v")
        with pytest.raises(StoreError, match=f"computes with {named} of the module it was made with"):
            brinell.load(tmp_path / "v", model=whole)


def test_a_network_whose_layers_do_not_matter_is_refused(sample: Dataset) -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused, self.table = nn.Linear(64, 10), nn.Parameter(torch.rand(64, 10))

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ self.table

    with pytest.raises(ModelError, match="logits do not depend on the weights of its layers"):
        brinell.compress(Other(), FineTune(train=QUICK), train_data=sample)


def test_filters_before_a_norm_across_channels_stay(sample: Dataset) -> None:
    """PyTorch's own computes by reshapes that torch-pruning follows without end."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LocalResponseNorm(3), nn.Flatten(), nn.Linear(144, 10))
    with pytest.raises(ModelError, match="local_response_norm divides each channel by its neighbours"):
        brinell.compress(module, Prune(granularity="filter", train=QUICK), train_data=sample)


def test_quantised_modules_are_refused_by_name() -> None:
    class Packed(nn.Module):
        def get_extra_state(self) -> int:
            return 1

        def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            return {"packed_params": (1, 2)}

    with pytest.raises(ModelError, match="its state has packed_params, a tuple and no tensor"):
        Variant.of(Packed(), input_shape=(1, 8, 8), classes=10)


def test_probabilities_are_no_logits(sample: Dataset) -> None:
    with pytest.raises(ModelError, match="gives probabilities, which add up to one number for each image"):
        brinell.compress(Returns(lambda out: out.softmax(1)).eval(), FineTune(train=QUICK), train_data=sample)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_scripted_modules_are_refused(sample: Dataset) -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval())
    with pytest.raises(ModelError, match="scripted and traced modules cannot become variants"):
        brinell.compress(scripted, FineTune(train=QUICK), train_data=sample)
