"""What each process of `test_ranks.py` does: one training, and its weights in a file of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from brinell.compressors import Distill
from brinell.data import build
from brinell.models import ResNet8
from brinell.training import Train, fit, process_group
from brinell.variants import Variant
from training.test_fit import blobs, linear

LINEAR = Train(epochs=3, batch_size=13, learning_rate=0.3, holdout=10)


def main(folder: Path) -> None:
    """Train a linear model and a convolutional one with batch norm, then a student of the latter."""
    torch.set_num_threads(1)
    module = linear()
    history = fit(module, blobs(), LINEAR, seed=1, checkpoint=folder / "checkpoint")
    again = linear()
    resumed = fit(again, blobs(), LINEAR, seed=1, checkpoint=folder / "checkpoint")
    assert [epoch.loss for epoch in resumed.epochs] == [epoch.loss for epoch in history.epochs]
    digits = build("digits", split="train", examples=200, seed=0)
    normed = ResNet8(width=2).module(0)
    fit(normed, digits, Train(epochs=1, batch_size=40, learning_rate=0.05), seed=1)
    teacher = Variant.of(normed, input_shape=(1, 8, 8), classes=10)
    student = Distill(train=Train(epochs=1, batch_size=40)).compress(teacher, digits, seed=0).deployed()
    found = {"linear": module, "again": again, "normed": normed, "student": student}
    tensors = {f"{name}.{key}": value.clone() for name, net in found.items() for key, value in net.state_dict().items()}
    tensors["loss"] = torch.tensor([epoch.loss for epoch in history.epochs])
    save_file(tensors, folder / f"rank{process_group().rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
