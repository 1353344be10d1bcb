"""The robustness paper's Algorithm 1: surgery, adversarial quantisation to powers of two, code book, DEFLATE."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.dns import DNS, PerLayer
from brinell.compressors.inq import INQ, Levels, Partition
from brinell.compressors.training_stages import part
from brinell.core import Fraction, OmitDefaultFromKey, Progress
from brinell.data import Dataset
from brinell.training import Adversarial, Train
from brinell.variants import Step, Variant


class RobustCompression(Compressor):
    """Dynamic network surgery, then incremental quantisation of what is left on clean and adversarial examples.

    The same as `dns` and then `inq` with `train.adversarial`, as one step of a lineage. Code book and DEFLATE are the
    container's, which finds that the values are few. `train` is for each step of the quantisation; the surgery takes
    it with epochs and a learning rate of its own, and without `adversarial`: the paper's algorithm prunes on clean
    images (`train.adversarial` would be for the surgery). With `train.distillation` both learn the answers of the
    variant that is given, where quantisation alone would learn those of the pruned one.

    Examples:
        >>> import brinell
        >>> brinell.compressors.RobustCompression(weight_bits=4).adversarial.label
        'predicted'
    """

    kind = "robust_compression"
    revision = 2  # a wanted sparsity is met at every change, not only at the last

    sparsity: Fraction | PerLayer = 0.95
    """Share of the weights that the surgery makes zero: of all, or by layer."""
    gamma: Fraction = Field(1e-4, ge=0)
    """Rate at which mask updates become rarer; see `power`."""
    power: Fraction = Field(1.0, ge=0)
    """Masks change with probability (1 + gamma * step)^-power."""
    stop: Fraction = Field(0.7, gt=0, le=1)
    """Share of a phase's steps after which masks are fixed."""
    phases: Literal["in_turn", "together"] = "in_turn"
    """Prune convolutions and linear layers `in_turn` (the paper) or `together`."""
    surgery_epochs: int = Field(4, ge=0)
    """Of each phase of the surgery."""
    surgery_rate: Fraction = Field(0.01, gt=0)
    """Its learning rate."""
    weight_bits: int = Field(3, ge=2, le=8)
    """Bits of a quantised weight, as for `INQ`."""
    levels: Annotated[Levels, OmitDefaultFromKey()] = "largest"
    """Highest level from the `largest` weight, or by least change of the weights (`closest`)."""
    partition: Partition = "largest"
    """Which weights are quantised first: `largest`, `smallest` or `random` ones."""
    shares: tuple[Fraction, ...] | None = None
    """Of the weights that are left, accumulated, quantised after each step; `None`: the paper's for `weight_bits`."""
    adversarial: Adversarial | None = Adversarial()
    """Of the quantisation; `None` is the control without it."""
    train: Train = Train(epochs=2, batch_size=256, learning_rate=0.01)
    """Training settings of each step of quantisation, and of pruning for all that it has no setting for."""

    def model_post_init(self, context: object) -> None:
        """Refuse at once what surgery or quantisation would refuse."""
        self._steps()

    @property
    def never_lowers(self) -> frozenset[str]:
        """Every weight stays where it is."""
        return OPERATIONS

    @property
    def epochs(self) -> int:
        """Of surgery and quantisation."""
        return sum(step.epochs for step in self._steps())

    def _steps(self) -> tuple[DNS, INQ]:
        surgery = {"epochs": self.surgery_epochs, "learning_rate": self.surgery_rate}
        dns = DNS(
            sparsity=self.sparsity,
            gamma=self.gamma,
            power=self.power,
            stop=self.stop,
            phases=self.phases,
            train=self.train.model_copy(update=surgery),
        )
        inq = INQ(
            weight_bits=self.weight_bits,
            levels=self.levels,
            partition=self.partition,
            shares=self.shares,
            train=self.train.model_copy(update={"adversarial": self.adversarial}),
        )
        return dns, inq

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """As of the surgery and of the quantisation."""
        for method in self._steps():
            method.check_budget(parent, child)

    def check(self, variant: Variant) -> None:
        """As the surgery does; quantisation takes any float layers."""
        self._steps()[0].check(variant)

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
        """The variant of few powers of two and many zeros."""
        made, done = variant, 0
        for method in self._steps():
            made = method._compress(
                made,
                data,
                seed=seed,
                device=device,
                checkpoint=None if checkpoint is None else Path(checkpoint) / method.kind,
                progress=part(progress, done, method.epochs, self.epochs),
                teacher=variant,
            )
            done += method.epochs
        surgery, quantisation = (step.figures for step in made.lineage[-2:])
        figures = {"surgery_sparsity": surgery["sparsity"], **surgery, **quantisation}
        return replace(made, lineage=(*variant.lineage, Step(self.kind, self.config(), seed, figures)))
