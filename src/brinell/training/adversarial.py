"""Adversarial training: a share of every batch becomes adversarial examples of the network as it stands."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.attacks.components.projection import random_start
from brinell.core import Fraction, ModelError, Spec, derive_seed
from brinell.nn import Norm, frozen_evaluation, project, steepest, uniform
from brinell.training.batch import Batch, Loss

_TRUNCATED = math.erf(math.sqrt(2))
"""Probability that a normal number lies within two standard deviations."""


class Adversarial(Spec):
    """Which share of a batch is replaced by adversarial examples, how they are made, and what they weigh.

    Of `m` examples the first `k = round(fraction * m)` are replaced, and the loss becomes (Kurakin 2017, equation 1)

        (sum over the clean + weight * sum over the adversarial) / (m - k + weight * k).

    The examples are made for each batch on the network in training, in evaluation mode: it is the deployed network that
    is attacked, dropout draws nothing, and batch norm's statistics are only touched by the pass that is learnt from,
    which sees clean and adversarial examples as one batch. Making them costs `steps` passes over `k` images, without
    gradients of the weights.

    The default is the robustness paper's Algorithm 1: half of the batch, one step (FGSM) that raises the loss of the
    *predicted* class, so that the label cannot be read off the perturbation (label leaking), and Kurakin's weight.

    Examples:
        >>> import brinell
        >>> brinell.training.Adversarial(epsilon="4/255").fraction
        0.5
    """

    kind = "adversarial"

    fraction: Fraction = Field(0.5, gt=0, le=1)
    """Share of each batch that is replaced by adversarial examples."""
    weight: Fraction = Field(0.3, gt=0)
    """Lambda: what an adversarial example counts, where a clean one counts 1."""
    epsilon: Fraction = Field(8 / 255, ge=0)
    """The radius; where it is drawn, the largest."""
    epsilon_rule: Literal["drawn", "fixed"] = "drawn"
    """`drawn`: each image and epoch has its own, |N(0, epsilon / 2)| truncated at `epsilon` (Kurakin 2017, section 3):
    a network that has only met one radius can be blind to smaller ones."""
    label: Literal["predicted", "true"] = "predicted"
    """Whose loss is raised; the predicted class is that of the clean image and stays for all `steps`."""
    steps: int = Field(1, ge=1)
    """1 is FGSM, more are PGD."""
    step_size: Fraction | None = Field(None, gt=0)
    """`None`: the image's epsilon for one step, a quarter of it for several."""
    random_start: bool = False
    """Start at a uniformly random point of the ball."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""

    def examples(self, module: nn.Module, batch: Batch, seed: int, *, bf16: bool = False) -> Tensor:
        """Adversarial images of all of `batch`; noise is keyed by the ids and the epoch."""
        seed = derive_seed(seed, "adversarial")
        radius = self.radii(batch.ids, seed, batch.epoch)
        size = (radius if self.steps == 1 else radius / 4) if self.step_size is None else self.step_size
        images, labels = batch.images, batch.labels if self.label == "true" else None
        if self.random_start:
            images = random_start(images, radius, batch.ids, self.norm, seed=seed, restart=batch.epoch)
        precision = torch.autocast(images.device.type, torch.bfloat16, enabled=bf16)
        with frozen_evaluation(module), torch.enable_grad(), precision:
            if labels is None and self.random_start:
                labels = module(batch.images.clone()).argmax(1)  # it may compute in place
            for _ in range(self.steps):
                inputs = images.detach().requires_grad_()
                logits = module(inputs.clone()).float()
                labels = logits.argmax(1) if labels is None else labels
                if not logits.requires_grad:
                    raise ModelError(
                        "adversarial: the network's logits have no gradient of its images, as behind an embedding or "
                        "rounding; train it without adversarial examples"
                    )
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), inputs)
                step = size.view(-1, 1, 1, 1) if isinstance(size, Tensor) else size
                images = project(images + step * steepest(gradient, self.norm), batch.images, radius, self.norm)
        return images.detach()

    def radii(self, ids: Tensor, seed: int, epoch: int) -> Tensor:
        """The epsilon of each example in one epoch, `(N,)`."""
        if self.epsilon_rule == "fixed":
            return torch.full((len(ids),), self.epsilon, device=ids.device)
        # The inverse of the truncated distribution: nothing is drawn twice, so that an example's radius is its own.
        share = uniform(seed, "epsilon", ids, (), epoch)
        deviations = math.sqrt(2) * torch.erfinv(share * _TRUNCATED)
        return (deviations * (self.epsilon / 2)).clamp_max(self.epsilon)

    def mixed(self, loss: Loss, network: nn.Module, seed: int, *, bf16: bool = False) -> Loss:
        """`loss` on batches of which a share is adversarial to `network`, the bare module in training.

        One forward pass is learnt from.
        """

        def mixture(module: nn.Module, batch: Batch) -> Tensor:
            count = round(self.fraction * len(batch.labels))
            if not count:
                return loss(module, batch)
            chosen, clean = batch.part(slice(None, count)), batch.part(slice(count, None))
            chosen = chosen._replace(images=self.examples(network, chosen, seed, bf16=bf16), clean=chosen.images)
            logits = module(torch.cat([chosen.images, clean.images]))
            total = self.weight * count * loss(_Answers(logits[:count]), chosen)
            rest = len(clean.labels)
            if rest:
                total = total + rest * loss(_Answers(logits[count:]), clean)
            return total / (rest + self.weight * count)

        return mixture


class _Answers(nn.Module):
    """Stands for the module where its logits are known already: a loss asks for those of its part of the batch."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits
