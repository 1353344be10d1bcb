"""Attacks through scores alone, on things that are no PyTorch modules: an ONNX Runtime session, a remote function."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brinell.attacks import PGD, Attack, GenAttack, LocalSearch, run_trial
from brinell.core import UnsupportedError

ATTACKS = [
    LocalSearch(epsilon=0.4, steps=6, changes=5, max_candidates=12),
    GenAttack(epsilon=0.4, steps=8, population=6, mutation_range=1),
]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 4)]
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def examples(network: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(9, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return images, network(images).argmax(1), torch.arange(9)


def remote(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """What a service does: text goes in, text comes out, and no tensor survives the way."""

    def ask(images: Tensor) -> Tensor:
        asked = json.loads(json.dumps(images.tolist()))
        with torch.no_grad():
            return torch.tensor(json.loads(json.dumps(network(torch.tensor(asked)).tolist())))

    return ask


def session(network: nn.Module) -> Callable[[Tensor], Tensor]:
    pytest.importorskip("onnxruntime")
    from brinell.nn.onnx_graph.exporting import to_onnx
    from brinell.nn.onnx_graph.session import open_session

    opened = open_session(to_onnx(network, (3, 6, 6)))
    name = opened.get_inputs()[0].name

    def ask(images: Tensor) -> Tensor:
        return torch.from_numpy(opened.run(None, {name: images.numpy()})[0])

    return ask


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.kind)
@pytest.mark.parametrize("through", [remote, session], ids=["remote", "onnx"])
def test_finds_what_it_finds_on_the_module(
    network: nn.Module, examples: tuple[Tensor, Tensor, Tensor], attack: Attack, through: Callable
) -> None:
    scores = through(network)
    ours = run_trial(network, network, *examples, attack, seed=3, keep_images=True)
    found = run_trial(scores, scores, *examples, attack, seed=3, keep_images=True)
    torch.testing.assert_close(found.adversarials, ours.adversarials, atol=1e-5, rtol=0)
    for name in ("prediction", "rank", "queries", "first_success_step"):
        assert np.array_equal(np.ma.filled(found.rows[name], -1), np.ma.filled(ours.rows[name], -1)), name
    assert (found.rows["rank"] > 0).any(), "an attack that finds nothing shows nothing"


def test_a_gradient_attack_on_scores_is_refused(network: nn.Module, examples: tuple[Tensor, Tensor, Tensor]) -> None:
    scores = remote(network)
    with pytest.raises(UnsupportedError, match="needs gradients"):
        run_trial(scores, scores, *examples, PGD(epsilon=0.1, steps=2, step_size=0.05))
