"""What every runtime promises, whichever it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import brinell
from brinell.attacks import FGSM, LocalSearch
from brinell.core import ConfigurationError, ModelError, UnsupportedError
from brinell.runtimes import RUNTIMES, Auto, CompiledNetwork, OpenVINO, Reference, Runtime, Sparse, runtime
from brinell.runtimes.verification import Verifier, describe_logit_difference
from brinell.variants import Variant
from runtimes import networks

NAMES = ("openvino", "onnxruntime", "auto")
named = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """A float network in every runtime."""
    return {name: networks.resnet8().deployed(name) for name in NAMES}


@named
@pytest.mark.parametrize("count", [0, 1, 5, 37])
def test_logits_are_those_of_the_reference_in_every_batch(compiled: dict[str, Any], name: str, count: int) -> None:
    images = networks.images(count)
    expected = networks.resnet8().deployed()(images)
    assert compiled[name](images).shape == expected.shape
    assert torch.allclose(compiled[name](images), expected, atol=1e-5 * float(expected.abs().max()) if count else 0)


@named
def test_layouts_types_and_views_give_the_same_logits(compiled: dict[str, Any], name: str) -> None:
    network, images = compiled[name], networks.images(6)
    if name == "auto" and not isinstance(network, CompiledNetwork):
        pytest.skip("PyTorch itself is the fastest here")
    expected = network(images)
    assert torch.equal(network(images.contiguous(memory_format=torch.channels_last)), expected)
    assert torch.equal(network(images.double()), expected)
    assert torch.equal(network(torch.cat([images, images])[::2].flip(0).flip(0)[:3]), network(images[::2]))


@named
def test_images_of_another_size_are_one_clear_error(compiled: dict[str, Any], name: str) -> None:
    if not isinstance(compiled[name], CompiledNetwork):
        pytest.skip("PyTorch itself is the fastest here")
    for wrong in (torch.rand(2, 1, 9, 8), torch.rand(2, 3, 8, 8), torch.rand(1, 8, 8), "images"):
        with pytest.raises(ModelError, match=r"was compiled for images \(N, 1, 8, 8\), not"):
            compiled[name](wrong)


def test_a_copy_computes_the_same(compiled: dict[str, Any]) -> None:
    images = networks.images(3)
    assert torch.equal(copy.deepcopy(compiled["openvino"])(images), compiled["openvino"](images))


def test_unknown_runtimes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown runtime 'openvno'; did you mean 'openvino'"):
        networks.resnet8().deployed("openvno")


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    for kind, extra in (("openvino", "openvino"), ("sparse", "sparse"), ("onnxruntime", "onnx")):
        with pytest.raises(ConfigurationError, match=rf"{kind}.*pip install 'brinell\[{extra}\]'"):
            networks.resnet8().deployed(kind)


def test_a_variant_keeps_the_runtime_that_it_was_loaded_with(tmp_path: Any) -> None:
    variant, file = networks.resnet8(), tmp_path / "v.brinell"
    brinell.save(variant, file)
    loaded = brinell.load(file, runtime="openvino")
    assert isinstance(loaded.deployed(), CompiledNetwork)
    assert not isinstance(loaded.deployed("reference"), CompiledNetwork)
    assert torch.allclose(loaded(networks.images(3)), variant(networks.images(3)), atol=1e-4)
    assert brinell.costs.measure(loaded) == brinell.costs.measure(variant)


def test_the_judge_and_attacks_through_scores_ask_the_runtime() -> None:
    variant, images = networks.xnor(), networks.images(4)
    labels = variant(images).argmax(1)
    for attack in (FGSM(epsilon=0.3), LocalSearch(max_queries=30)):
        outcome = brinell.attack(variant, images, labels, attack, runtime="openvino")
        assert torch.equal(variant.deployed("openvino")(outcome.adversarials).argmax(1), outcome.predictions.long())


def test_auto_takes_what_is_fastest_and_falls_back_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Runtime):
        kind = "slow"

        def compile(self, module: Any, input_shape: Any) -> Any:
            return torch.nn.Sequential(*[module] * 1, *[torch.nn.Identity()] * 20_000)

    class Wrong(Runtime):
        kind = "wrong"

        def compile(self, module: Any, input_shape: Any) -> Any:
            raise UnsupportedError("it computes something else")

    monkeypatch.setattr(Auto, "candidates", (Slow, Reference, Wrong))
    network = networks.resnet8().deployed("auto")
    assert type(network).__name__ == "Normalized"


# Verification


@pytest.mark.parametrize("variant", [networks.resnet8(), networks.xnor()], ids=["float", "binary"])
def test_a_program_that_computes_wrong_results_is_refused_by_name(variant: Variant) -> None:
    module = variant.deployed()
    verification = Verifier(module, networks.SHAPE)
    right = lambda images: module(torch.from_numpy(images)).numpy()  # noqa: E731
    for size in (None, 1, 3, 8):
        verification.check(right, size, "peer 1.0")
    wrong = [
        lambda images: right(images[..., ::-1].copy()),
        lambda images: right(images) + 1,
        lambda images: -right(images),
        lambda images: right(images) * float("nan"),
        lambda images: right(images)[:, :9],
    ]
    for program in wrong:
        with pytest.raises(UnsupportedError, match=r"peer 1\.0 computes a wrong result on this machine"):
            verification.check(program, None, "peer 1.0")


def test_a_turned_sign_in_one_image_is_allowed_and_one_in_each_is_not() -> None:
    expected = torch.eye(4)
    found = expected.clone()
    found[0, 1] = 0.4
    assert describe_logit_difference(found, expected, rounded=True) is None
    assert "up to 0.4 of the largest logit" in str(describe_logit_difference(found, expected, rounded=False))
    assert describe_logit_difference(expected + 0.4, expected, rounded=True) is not None


def test_what_a_runtime_cannot_run_is_said_with_the_reason() -> None:
    with pytest.raises(UnsupportedError, match="sparse cannot run this network: none of its convolutions of stride 1"):
        networks.resnet8().deployed("sparse")


def test_runtimes_are_values() -> None:
    assert [RUNTIMES.parse(kind) for kind in RUNTIMES][:2] == [Reference(), OpenVINO()]
    assert Sparse(batch=2).key != Sparse().key
