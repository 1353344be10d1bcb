from __future__ import annotations

import pytest
import torch
from torch import nn

from brinell.runtimes.thresholds import _float, _ordered, cuts
from runtimes import networks


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_comparison_gives_the_bit_of_every_number_near_the_threshold(layout: torch.memory_format) -> None:
    norm = networks.varied(nn.BatchNorm2d(150))
    levels = torch.tensor([0.0, 0.5, -1.25])
    cut, sign = cuts(norm, levels, 150)
    assert set(sign.unique().tolist()) == {-1.0, 1.0}
    for step in range(-200, 201):
        x = _float(_ordered(cut) + step)[:, :, None, None].repeat(1, 1, 3, 5).contiguous(memory_format=layout)
        expected = norm(x) >= levels[:, None, None, None]
        assert torch.equal((x > cut[:, :, None, None]) == (sign > 0)[:, :, None, None], expected)


def test_a_channel_without_slope_has_the_same_bit_everywhere() -> None:
    norm = nn.BatchNorm2d(3).eval().requires_grad_(False)
    norm.weight.zero_()
    norm.bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    cut, sign = cuts(norm, torch.zeros(1), 3)
    x = torch.tensor([-1e30, -1.0, 0.0, 1.0, 1e30])[:, None]
    assert torch.equal((x > cut[0]) == (sign[0] > 0), torch.tensor([False, True, True]).expand(5, 3))


def test_the_order_of_whole_numbers_is_that_of_floats() -> None:
    values = torch.tensor([-3e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 3e38])
    assert torch.equal(_ordered(values).sort().values, _ordered(values))
    assert torch.equal(_float(_ordered(values)), values)
