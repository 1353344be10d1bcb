"""Distillation: a network in training learns the softened answers of another (Hinton 2015)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.core import Fraction, Spec
from brinell.training.batch import Batch, Loss


class Distillation(Spec):
    """Learn what the network answered before it was compressed, beside the labels: a setting of any compressor.

    The loss is `(1 - hard_label_weight) * KL + hard_label_weight * cross entropy`, with KL from the softmax of the
    teacher, the deployed parent, to that of the network, both at `temperature`. With `temperature_squared` (section 2)
    KL is multiplied by the temperature's square, without which its gradient falls with that square. What an adversary
    changed is shown to the network alone; its teacher answers to the clean image.

    Binary networks gain most: Martinez 2020 (section 4.2) and ReActNet (Liu 2020, section 4.4) train theirs so.

    Examples:
        >>> import brinell
        >>> brinell.training.Train(distillation={}).distillation.temperature
        4.0
    """

    kind = "distillation"

    temperature: Fraction = Field(4.0, gt=0)
    """Temperature that softens the logits of both networks."""
    temperature_squared: bool = True
    """Multiply the divergence by the squared temperature."""
    hard_label_weight: Fraction = Field(0.1, ge=0, le=1)
    """Weight of the cross-entropy to the labels, in [0, 1]; the rest is the divergence."""

    def loss(self, teacher: nn.Module, *, label_smoothing: float = 0.0, clean: bool = True, bf16: bool = False) -> Loss:
        """The loss of learning from `teacher`, a module in evaluation mode; `clean`: it is shown the clean images."""

        def loss(module: nn.Module, batch: Batch) -> Tensor:
            shown = batch.images if batch.clean is None or not clean else batch.clean
            shown = shown.clone()  # either network may write to its images
            logits = module(batch.images)
            value = torch.zeros((), device=logits.device)
            if self.hard_label_weight < 1:
                with torch.no_grad(), torch.autocast(shown.device.type, torch.bfloat16, enabled=bf16):
                    answers = teacher(shown).float()
                scale = self.temperature**2 if self.temperature_squared else 1.0
                value = (1 - self.hard_label_weight) * scale * divergence(logits, answers, self.temperature)
            if self.hard_label_weight > 0:
                hard = F.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
                value = value + self.hard_label_weight * hard
            return value

        return loss


def divergence(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean over the batch of KL(teacher || student), both softened by `temperature`.

    Args:
        logits: Logits of the student, `(N, classes)`.
        teacher: Logits of the teacher, `(N, classes)`.
        temperature: Positive temperature.

    Returns:
        A scalar of at least 0, with a gradient to `logits`.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 2.0]])
        >>> float(divergence(logits, logits, temperature=4.0))
        0.0
    """
    return F.kl_div(
        F.log_softmax(logits / temperature, 1),
        F.log_softmax(teacher / temperature, 1),
        reduction="batchmean",
        log_target=True,
    )
