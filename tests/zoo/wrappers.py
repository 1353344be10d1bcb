"""Networks that are scripted, traced, compiled, quantised or wrapped."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from zoo.odd import OddNetwork, Small


def _quietly(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Without the warnings of what PyTorch calls deprecated and people still have."""

    def quiet() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return build()

    return quiet


def scripted() -> nn.Module:
    return torch.jit.script(Small().eval())


def traced() -> nn.Module:
    return torch.jit.trace(Small().eval(), torch.rand(2, 1, 8, 8))


def with_a_scripted_part() -> nn.Module:
    network = Small()
    network.second = torch.jit.script(network.second)
    return network.eval()


def compiled() -> nn.Module:
    return torch.compile(Small().eval(), backend="eager")


def symbolically_traced() -> nn.Module:
    return fx.symbolic_trace(Small().eval())


def exported() -> nn.Module:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(Small().eval(), (torch.rand(2, 1, 8, 8),), dynamic_shapes={"x": {0: batch}})
    return program.module()


def quantized() -> nn.Module:
    """8-bit linear layers, which have no gradient."""
    return torch.ao.quantization.quantize_dynamic(Small().eval(), {nn.Linear})


def fake_quantized() -> nn.Module:
    """Prepared for quantisation-aware training, observers still on."""
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10)).train()
    network.qconfig = torch.ao.quantization.get_default_qat_qconfig("fbgemm")
    prepared = torch.ao.quantization.prepare_qat(network)
    prepared(torch.rand(4, 1, 8, 8))
    return prepared.eval().apply(torch.ao.quantization.disable_observer)


def parallel() -> nn.Module:
    return nn.DataParallel(Small().eval())


def with_a_parallel_part() -> nn.Module:
    return nn.Sequential(nn.Identity(), nn.DataParallel(Small())).eval()


class Averaged(nn.Module):
    """An ensemble that averages the logits of its members."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(Small() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)


def averaged_weights() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(Small()).eval()


NETWORKS = (
    OddNetwork("scripted", _quietly(scripted)),
    OddNetwork("traced", _quietly(traced)),
    OddNetwork("scripted part", _quietly(with_a_scripted_part)),
    OddNetwork("compiled", compiled),
    OddNetwork("symbolically traced", symbolically_traced),
    OddNetwork("exported", _quietly(exported)),
    OddNetwork("dynamically quantised", _quietly(quantized), gradient=False),
    OddNetwork("fake-quantised", _quietly(fake_quantized)),
    OddNetwork("data parallel", parallel),
    OddNetwork("data-parallel part", with_a_parallel_part),
    OddNetwork("ensemble", lambda: Averaged().eval()),
    OddNetwork("averaged weights", averaged_weights),
)
