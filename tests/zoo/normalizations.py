"""Networks with normalisations of all kinds, some of which cannot be folded."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.odd import OddNetwork, Small, sequential, settled


class PreActivation(nn.Module):
    """Batch norm before the convolution, as in ResNet v2."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.convolution = settled(nn.BatchNorm2d(6)), nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convolution(self.norm(x).relu())


class OwnBatchNorm(nn.BatchNorm2d):
    """A subclass that computes something else."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2 - 0.1


class BatchStatistics(nn.BatchNorm2d):
    """Uses the batch's statistics in evaluation mode, too, by an override of `train`."""

    def train(self, mode: bool = True) -> BatchStatistics:
        super().train(True)
        return self


def negative_scales() -> nn.Module:
    network = Small()
    nn.init.uniform_(network.first_norm.weight, -1.5, 0.0)
    with torch.no_grad():
        network.first_norm.weight[0] = 0.0
    return network.eval()


def tiny_variance() -> nn.Module:
    network = Small()
    network.second_norm.running_var.fill_(1e-9)
    return network.eval()


NETWORKS = (
    OddNetwork("pre-activation", lambda: sequential(PreActivation())),
    OddNetwork("batch norm of its own class", lambda: sequential(nn.Conv2d(6, 6, 1), settled(OwnBatchNorm(6)))),
    OddNetwork(
        "batch norm without affine map",
        lambda: sequential(nn.Conv2d(6, 6, 1), settled(nn.BatchNorm2d(6, affine=False))),
    ),
    OddNetwork(
        "batch norm without running statistics",
        lambda: sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6, track_running_stats=False)),
    ),
    OddNetwork(
        "batch norm that stays in training",
        lambda: sequential(nn.Conv2d(6, 6, 1), settled(BatchStatistics(6, momentum=0.0))),
    ),
    OddNetwork("batch norm with negative scales", negative_scales),
    OddNetwork("batch norm with a tiny variance", tiny_variance),
    OddNetwork("synchronised batch norm", lambda: sequential(nn.Conv2d(6, 6, 1), settled(nn.SyncBatchNorm(6)))),
    OddNetwork(
        "circular padding before a batch norm",
        lambda: sequential(
            nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular"), settled(nn.BatchNorm2d(6)), nn.ReLU()
        ),
    ),
    OddNetwork("group norm", lambda: sequential(nn.Conv2d(6, 6, 1), nn.GroupNorm(2, 6))),
    OddNetwork("instance norm", lambda: sequential(nn.Conv2d(6, 6, 3), nn.InstanceNorm2d(6, affine=True))),
    OddNetwork("layer norm", lambda: sequential(nn.LayerNorm([6, 8, 8]))),
    OddNetwork("local response norm", lambda: sequential(nn.LocalResponseNorm(3))),
    OddNetwork(
        "batch norm of features",
        lambda: nn.Sequential(
            nn.Flatten(), nn.Linear(64, 12), settled(nn.BatchNorm1d(12)), nn.ReLU(), nn.Linear(12, 10)
        ).eval(),
    ),
)
