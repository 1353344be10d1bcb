"""What is written is what is read, bit for bit, for every kind of variant."""

from pathlib import Path

import pytest
import torch
from torch import nn

from brinell.container import read, write
from brinell.core import StoreError
from brinell.models import build
from brinell.variants import Variant


def test_a_users_own_module_comes_back_into_an_instance_of_it(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    variant = Variant.of(module, input_shape=(3, 2, 2), classes=3)
    write(variant, tmp_path / "own.brinell")
    images = torch.rand(4, 3, 2, 2)
    again = read(tmp_path / "own.brinell", model=nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
    assert torch.equal(again(images), variant(images))
    with pytest.raises(StoreError, match="model="):
        read(tmp_path / "own.brinell")
    with pytest.raises(StoreError, match=r"'1.weight' is \(3, 12\) in the file and \(4, 12\) in the network"):
        read(tmp_path / "own.brinell", model=nn.Sequential(nn.Flatten(), nn.Linear(12, 4)))


@pytest.mark.parametrize("effort", ["fast", "default", "best"])
def test_a_built_model_comes_back_from_its_header(tmp_path: Path, effort: str) -> None:
    variant = Variant.of(build("resnet8"), input_shape=(1, 8, 8), classes=10)
    size = write(variant, tmp_path / "v.brinell", effort=effort)
    assert size == (tmp_path / "v.brinell").stat().st_size
    again = read(tmp_path / "v.brinell")
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(again(images), variant(images))
    assert list(again.tensors) == list(variant.tensors)
