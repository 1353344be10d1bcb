"""What compressors share: training in stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from brinell.compressors.compressor import Compressor
from brinell.core import Progress, content_key, derive_seed
from brinell.data import Dataset
from brinell.nn import LatentBinaryConv2d
from brinell.training import AfterStep, Loss, Train, choose_device, digest, fit, hold_out
from brinell.variants import Variant


@dataclass(frozen=True)
class Stages:
    """Where and how the trainings of one compressor run, one after the other."""

    name: str
    context: str
    count: int
    data: Dataset
    held: Dataset | None
    train: Train
    seed: int
    device: torch.device
    checkpoint: Path | None
    progress: Progress
    teacher: Variant

    def fit(
        self, stage: int, module: nn.Module, *, loss: Loss | None = None, after_step: AfterStep | None = None
    ) -> None:
        """Train `module` in place as stage number `stage` (from 1) of `count`, or take it from its checkpoint.

        Each stage has a fresh optimiser, an order of its own, and a subfolder of `checkpoint`. Layers with latent
        binary weights are kept in range. With `train.distillation` the teacher is deployed and asked.
        """
        label = self.name if self.count == 1 else f"{self.name} {stage}/{self.count}"

        def after(module: nn.Module) -> None:
            clip_latent(module)
            if after_step is not None:
                after_step(module)

        def progress(label: str, done: float, total: float) -> None:
            self.progress(label, (stage - 1) * total + done, self.count * total)

        fit(
            module,
            self.data,
            self.train.model_copy(update={"holdout": 0}),
            seed=derive_seed(self.seed, self.name, stage),
            loss=loss or self._taught(),
            after_step=after,
            held=self.held,
            device=self.device,
            checkpoint=None if self.checkpoint is None else self.checkpoint / f"{stage:02d}",
            context=self.context,
            progress=progress,
            label=label,
        )

    def _taught(self) -> Loss | None:
        train = self.train
        if train.distillation is None:
            return None
        teacher = self.teacher.deployed("reference").to(self.device)
        bf16 = train.precision == "bf16"
        return train.distillation.loss(teacher, label_smoothing=train.label_smoothing, bf16=bf16)


def stages(
    compressor: Compressor,
    variant: Variant,
    data: Dataset,
    train: Train,
    *,
    count: int = 1,
    seed: int,
    device: str | torch.device | None,
    checkpoint: Path | None,
    progress: Progress,
    teacher: Variant | None = None,
) -> Stages:
    """`count` trainings to come; holds out the examples that `train` asks for.

    `teacher` is whose answers `train.distillation` is about: `variant`, unless this is a later part of a compressor.

    Raises:
        DataError: nothing would be left to train on.
    """
    kept, held = hold_out(data, train, seed)
    folder = None if checkpoint is None else Path(checkpoint)
    context = content_key("stage", compressor=compressor.key, parent=digest(variant.tensors))
    place, taught_by = choose_device(device), teacher or variant
    return Stages(compressor.kind, context, count, kept, held, train, seed, place, folder, progress, taught_by)


def part(progress: Progress, before: int, epochs: int, whole: int) -> Progress:
    """`progress` for a part of a compressor that takes `epochs` of the `whole`, `before` of them being done."""

    def inner(label: str, done: float, total: float) -> None:
        progress(label, before + epochs * (done / total), whole)

    return inner


def top_k_mask(values: Tensor, count: int) -> Tensor:
    """Where the `count` largest of `values` are: bool, of the same shape; of equal ones, the first."""
    flat = values.flatten()
    if not count:
        return torch.zeros_like(values, dtype=torch.bool)
    least = flat.kthvalue(len(flat) - count + 1).values
    chosen = flat > least
    equal = (flat == least).nonzero()[:, 0]
    chosen[equal[: count - int(chosen.sum())]] = True
    return chosen.view(values.shape)


@torch.no_grad()
def clip_latent(module: nn.Module) -> None:
    """Bring latent binary weights back into range, after an optimiser's step."""
    for layer in module.modules():
        if isinstance(layer, LatentBinaryConv2d):
            layer.settle()
