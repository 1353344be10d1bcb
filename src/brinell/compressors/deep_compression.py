"""Deep Compression: prune, share weights, and let the file count in Huffman's bits (Han, Mao & Dally 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import nn

from brinell.compressors.budgets.budget import Budget
from brinell.compressors.checks.coverage import coverage
from brinell.compressors.checks.float_layers import FLOAT_LAYERS, trainable_weights
from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.prune import Prune
from brinell.compressors.rates import Rates, Uniform, read_rates
from brinell.compressors.training_stages import part, stages
from brinell.compressors.weight_sharing import share, unshare
from brinell.core import Fraction, ModelError, Progress
from brinell.data import Dataset
from brinell.nn import tied_layers
from brinell.training import Train
from brinell.variants import Step, Variant


class DeepCompression(Compressor):
    """Magnitude pruning with fine-tuning, then k-means within each layer, then training of what the weights share.

    Convolutions get `2^conv_bits` values, zero among them, linear layers `2^linear_bits`; 8 bits at most, because a
    code takes one byte of the file, and more values than that would be stored one by one. A centroid's gradient is the
    sum over its weights (section 3.3), be they ten or ten thousand; this part of the training is therefore AdamW's,
    whose steps do not depend on a gradient's scale, without weight decay and otherwise as `train` says. Biases and
    batch norm are trained along. The third part of the paper is the container's: gaps and codes in streams of their
    own, in the Huffman codes of DEFLATE.

    Examples:
        >>> import brinell
        >>> brinell.compressors.DeepCompression(budget={"sparsity": 0.8}).linear_bits
        5
    """

    kind = "deep_compression"

    budget: Budget = Budget(sparsity=0.9)
    """What pruning keeps or removes."""
    rates: Annotated[SerializeAsAny[Rates], BeforeValidator(read_rates)] = Uniform()
    """How the budget is divided among layers."""
    rounds: int = Field(1, ge=1)
    """Rounds of pruning, each with `train.epochs`."""
    conv_bits: int = Field(8, ge=1, le=8)
    """Bits of a code in convolutions: 2^bits shared values."""
    linear_bits: int = Field(5, ge=1, le=8)
    """Bits of a code in linear layers: 2^bits shared values."""
    train: Train = Train(epochs=8, batch_size=128, learning_rate=0.01)
    """Training settings of each round of pruning."""
    sharing_epochs: int = Field(2, ge=0)
    """Epochs of training of the shared values."""
    sharing_rate: Fraction = Field(1e-4, gt=0)
    """Learning rate of the shared values."""

    @property
    def never_lowers(self) -> frozenset[str]:
        """Every weight stays where it is."""
        return OPERATIONS

    @property
    def epochs(self) -> int:
        """Of pruning and sharing."""
        return self.train.epochs * self.rounds + self.sharing_epochs

    @property
    def _sharing(self) -> Train:
        changed = {
            "epochs": self.sharing_epochs,
            "learning_rate": self.sharing_rate,
            "optimizer": "adamw",
            "nesterov": False,
            "weight_decay": 0.0,
        }
        return self.train.model_copy(update=changed)

    def check(self, variant: Variant) -> None:
        """As pruning does."""
        self._pruning.check(variant)

    @property
    def _pruning(self) -> Prune:
        return Prune(budget=self.budget, rates=self.rates, rounds=self.rounds, train=self.train)

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
        """The variant of few different weights."""
        first = self.train.epochs * self.rounds
        pruned = self._pruning._compress(
            variant,
            data,
            seed=seed,
            device=device,
            checkpoint=None if checkpoint is None else Path(checkpoint) / "prune",
            progress=part(progress, 0, first, self.epochs),
        )
        module = pruned.trainable()
        names = list(trainable_weights(module))
        tied = tied_layers(module, FLOAT_LAYERS)
        layers = {name: [module.get_submodule(other) for other in tied[name]] for name in names}
        values = {name: share(same[0], self._bits(same[0]), *same[1:]) for name, same in layers.items()}
        run = stages(
            self,
            pruned,
            data,
            self._sharing,
            seed=seed,
            device=device,
            checkpoint=None if checkpoint is None else Path(checkpoint) / "share",
            progress=part(progress, first, self.sharing_epochs, self.epochs),
            teacher=variant,
        )
        run.fit(1, module)
        for same in layers.values():
            unshare(*same)
        figures = {**pruned.lineage[-1].figures, "values": values, "coverage": coverage(module, names)}
        return variant.child(module, Step(self.kind, self.config(), seed, figures))

    def _bits(self, layer: nn.Module) -> int:
        return self.linear_bits if isinstance(layer, nn.Linear) else self.conv_bits

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """As of pruning; and no layer has more values than its codes can tell apart."""
        self._pruning.check_budget(parent, child)
        module = child.deployed("reference")
        for name in child.lineage[-1].figures["values"]:
            layer = module.get_submodule(name)
            found, most = len(layer.get_parameter("weight").unique()), 2 ** self._bits(layer)
            if found > most:
                raise ModelError(f"deep_compression: {name} has {found} different weights, and {most} were asked for")
