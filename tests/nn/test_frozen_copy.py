"""Copies of modules as they are deployed: the same function, nothing shared, nothing of the original changed."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn import copy_module, frozen_copy
from zoo import ZOO, OddNetwork, evaluated, images_for

STEADY = [odd for odd in ZOO if odd.refused is None and not odd.random]


@pytest.mark.parametrize("odd", STEADY, ids=lambda odd: odd.name)
def test_a_copy_computes_what_the_network_computes(odd: OddNetwork) -> None:
    module = odd.make()[0]
    modes = [part.training for part in module.modules()]
    copied = frozen_copy(module)
    with torch.no_grad():
        expected = evaluated(odd.make()[0])(images_for(odd))
        if "closure over" not in odd.name:  # it calls the original, which the harness puts in evaluation mode
            assert torch.equal(copied(images_for(odd)), expected)
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert modes == [part.training for part in module.modules()]
    own = {id(value) for value in module.parameters()}
    assert not own & {id(value) for value in copied.parameters()}


def test_hooks_of_the_owner_are_bound_to_the_copy() -> None:
    (odd,) = (odd for odd in ZOO if odd.name == "hook bound to its owner")
    module = odd.make()[0]
    copied, images = frozen_copy(module), images_for(odd)
    before = copied(images)
    with torch.no_grad():
        module.shift += 1
    assert torch.equal(copied(images), before)


def test_tensors_with_a_history_are_detached_wherever_they_are_kept() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.kept: dict[str, list[Tensor]] = {}

        def forward(self, x: Tensor) -> Tensor:
            out = self.layer(x)
            self.kept["out"] = [out, (out * 2)]
            return out

    module = Keeps()
    module(torch.rand(1, 2))
    copied = copy_module(module)
    assert torch.equal(copied.kept["out"][1], module.kept["out"][1])
    assert copied.kept["out"][1].grad_fn is None
    assert module.kept["out"][1].grad_fn is not None


def test_what_cannot_be_copied_is_one_clear_error() -> None:
    module = nn.Linear(2, 2)
    module.lock = threading.Lock()
    with pytest.raises(ModelError, match="Linear cannot be copied: TypeError: cannot pickle"):
        copy_module(module)


def test_wrappers_come_off_unless_they_have_hooks() -> None:
    inner = nn.Linear(2, 2)
    assert isinstance(frozen_copy(nn.DataParallel(nn.DataParallel(inner))), nn.Linear)
    hooked = nn.DataParallel(inner)
    hooked.register_forward_hook(lambda module, args, out: out * 2)
    assert isinstance(frozen_copy(hooked), nn.DataParallel)
    nested = nn.Sequential(nn.DataParallel(inner))
    assert isinstance(frozen_copy(nested)[0], nn.Linear)
    assert isinstance(nested[0], nn.DataParallel)
