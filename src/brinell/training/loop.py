"""The steps and epochs of one training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from brinell.core import (
    DivergenceError,
    ModelError,
    Progress,
    derive_seed,
)
from brinell.data import Dataset
from brinell.nn import frozen_norms, set_layout
from brinell.training.batch import Batch, Loss
from brinell.training.batches import Batches
from brinell.training.checkpoint import Checkpoint, Position
from brinell.training.checkpoint_intervals import current_intervals
from brinell.training.device import set_training_mode, supports_channels_last
from brinell.training.distributed import process_group
from brinell.training.evaluate import accuracy
from brinell.training.history import Epoch
from brinell.training.optimizer import build_optimizer
from brinell.training.recalibration import recalibrate
from brinell.training.schedules import learning_rate
from brinell.training.settings import Train

AfterStep = Callable[[nn.Module], None]
"""Called without gradients after every step of the optimiser, to put weights back where they have to be."""

_LOOK_EVERY = 50
"""Steps between two looks at the losses; looking waits for the device."""


class TrainingLoop:
    """Steps and epochs of one call of `fit`, from where its checkpoint stands."""

    def __init__(
        self,
        module: nn.Module,
        data: Dataset,
        train: Train,
        seed: int,
        loss: Loss,
        after_step: AfterStep | None,
        held: Dataset | None,
        place: torch.device,
    ) -> None:
        from lightning_fabric import Fabric  # costs a second, which only training should pay
        from lightning_fabric.plugins import MixedPrecision

        self.module, self.train, self.seed, self.place = module, train, seed, place
        self.loss, self.after_step, self.held = loss, after_step, held
        self.frozen = frozen_norms(module)
        self.batches, self.ranks = Batches(data, train, seed), process_group()
        self.ranks.check(len(data) // len(self.batches))
        self.channels_last = supports_channels_last(module, data)
        if self.channels_last:
            set_layout(module, torch.channels_last)
        self.optimizer = build_optimizer(module, train)
        alone = {"devices": [place.index] if place.type == "cuda" else 1}
        self.fabric = Fabric(
            accelerator=place.type,
            plugins=[MixedPrecision("bf16-mixed", place.type)] if train.precision == "bf16" else [],
            **(self.ranks.fabric() or alone),
        )
        self.fabric.launch()
        self.wrapped: Any
        self.stepper: Any
        self.wrapped, self.stepper = self.fabric.setup(module, self.optimizer, move_to_device=False)
        self.pending: list[tuple[Tensor, int]] = []

    def train_all(self, saved: Checkpoint | None, progress: Progress, label: str) -> list[Epoch]:
        """Every epoch that is left."""
        self.ranks.meet()
        intervals = current_intervals()
        position = Position() if saved is None else saved.resume(self.module, self.optimizer)
        self.clock = self.last_saved = time.monotonic()
        while position.epoch < self.train.epochs:
            set_training_mode(self.module, self.frozen)
            for batch in self.batches.epoch(position.epoch, position.batch, self.channels_last):
                self._step(batch)
                position.batch += 1
                position.seen += len(batch.labels)
                looked = len(self.pending) >= _LOOK_EVERY
                if looked:
                    self._look(position)
                if looked or self.ranks.count == 1:  # several processes look together, or wait for ever
                    self._save(saved, position, intervals.within_epoch)
                examples = len(self.batches.data)
                progress(label, position.epoch * examples + position.seen, self.train.epochs * examples)
            self._look(position)
            self._close(position)
            self._save(saved, position, intervals.at_epoch_end if position.epoch < self.train.epochs else 0.0)
        return position.records

    def recalibrated(self, records: list[Epoch]) -> list[Epoch]:
        """The records, the last one's accuracy being that after `train.recalibration`, which is done here.

        No checkpoint has it in it: a run that is taken up again does it again, from the same weights.
        """
        if not self.train.recalibration or not records:
            return records
        count = -(-self.train.recalibration * len(self.batches) // len(self.batches.data))
        fresh = self.batches.epoch(self.train.epochs, channels_last=self.channels_last)
        recalibrate(self.module, (batch.images for batch in islice(fresh, count)), self.frozen)
        return [*records[:-1], replace(records[-1], accuracy=self._accuracy())]

    def _accuracy(self) -> float | None:
        return None if self.held is None else accuracy(self.module, self.held, device=self.place)

    def _save(self, saved: Checkpoint | None, position: Position, interval: float) -> None:
        """Write a checkpoint where the last one is `interval` seconds old."""
        if saved is None or time.monotonic() - self.last_saved < interval:
            return
        self._look(position)
        position.seconds += self._elapsed()
        if self.ranks.first:
            saved.save(self.module, self.optimizer, position)
        self.last_saved = time.monotonic()

    def _elapsed(self) -> float:
        """Seconds since the last call."""
        before, self.clock = self.clock, time.monotonic()
        return self.clock - before

    def _rate(self, epoch: int, batch: int) -> float:
        steps = len(self.batches)
        return learning_rate(self.train, epoch * steps + batch, self.train.epochs * steps)

    def _step(self, batch: Batch) -> None:
        # What a layer such as dropout draws depends on the step alone, so that a resumed run draws it too.
        torch.manual_seed(derive_seed(self.seed, "step", batch.epoch, batch.number))
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(batch.epoch, batch.number)
        self.optimizer.zero_grad(set_to_none=True)
        share, weight = self.ranks.share(batch)
        loss = self.loss(self.wrapped, share) * weight
        if not loss.requires_grad:
            raise ModelError("the model's logits have no gradient: its forward pass leaves it out (no_grad, detach)")
        self.fabric.backward(loss)
        if self.train.gradient_clip is not None:
            self.fabric.clip_gradients(
                self.wrapped, self.stepper, max_norm=self.train.gradient_clip, error_if_nonfinite=False
            )
        self.stepper.step()
        if self.after_step is not None:
            with torch.no_grad():
                self.after_step(self.module)
        self.pending.append((loss.detach(), len(batch.labels)))

    def _look(self, position: Position) -> None:
        """Add up the losses since the last look; the only place that waits for the device."""
        if not self.pending:
            return
        values = self.ranks.mean(torch.stack([value for value, _ in self.pending]).double()).tolist()
        for number, value in enumerate(values, start=position.batch - len(values)):
            if not math.isfinite(value):
                raise self._diverged(f"the loss is {value} in", position.epoch, number)
        # One after the other, so that the sum does not depend on when it was looked at.
        for value, (_, count) in zip(values, self.pending, strict=True):
            position.loss_sum += value * count
        self.pending.clear()

    def _diverged(self, what: str, epoch: int, batch: int) -> DivergenceError:
        return DivergenceError(
            f"training diverged: {what} epoch {epoch + 1} of {self.train.epochs}, batch {batch + 1} of "
            f"{len(self.batches)}, at learning rate {self._rate(epoch, batch):.4g}; lower train.learning_rate "
            "(or set train.gradient_clip)"
        )

    def _close(self, position: Position) -> None:
        """End the epoch: its record, and a last look at the weights that the last step has left."""
        self.ranks.agree(self.module)
        last = len(self.batches) - 1
        if not all(bool(parameter.isfinite().all()) for parameter in self.module.parameters()):
            raise self._diverged("a weight is not finite after", position.epoch, last)
        position.seconds += self._elapsed()
        record = Epoch(
            epoch=position.epoch + 1,
            loss=position.loss_sum / position.seen,
            learning_rate=self._rate(position.epoch, last),
            accuracy=self._accuracy(),
            seconds=position.seconds,
        )
        position.records.append(record)
        position.epoch, position.batch = position.epoch + 1, 0
        position.loss_sum, position.seen, position.seconds = 0.0, 0, 0.0
