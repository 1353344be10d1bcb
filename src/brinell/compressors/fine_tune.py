"""Training on, and nothing else: the control that a compressor which trains is measured against."""

from __future__ import annotations

from pathlib import Path

import torch

from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.training_stages import stages
from brinell.core import Progress
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Step, Variant


class FineTune(Compressor):
    """Train all weights on; no byte becomes smaller.

    What a compressor gains by its epochs alone, or by the adversarial examples in them, is what the same network gains
    here. Zeros of an earlier pruning fill up again.

    Examples:
        >>> import brinell
        >>> brinell.compressors.FineTune(train={"epochs": 2}).train.learning_rate
        0.01
    """

    kind = "fine_tune"

    train: Train = Train(epochs=8, batch_size=128, learning_rate=0.01)
    """Training settings; a mapping changes these defaults."""

    @property
    def never_lowers(self) -> frozenset[str]:
        """No byte becomes smaller, and no operation is saved."""
        return OPERATIONS | {"encoded_bytes", "nominal_bytes", "nonzero", "memory_mb", "latency_ms", "energy_joules"}

    @property
    def epochs(self) -> int:
        """Of its one training."""
        return self.train.epochs

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> Variant:
        """The variant, trained on."""
        module = variant.trainable()
        run = stages(
            self, variant, data, self.train, seed=seed, device=device, checkpoint=checkpoint, progress=progress
        )
        run.fit(1, module)
        figures = {"examples": len(run.data), "epochs": self.train.epochs}
        return variant.child(module, Step(self.kind, self.config(), seed, figures))
