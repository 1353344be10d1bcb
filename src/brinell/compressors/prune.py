"""Magnitude pruning: the smallest weights, kernels, filters or channels of each layer go; the rest is fine-tuned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import nn

from brinell import container, costs
from brinell.compressors.budgets.budget import Budget
from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.checks.coverage import coverage
from brinell.compressors.checks.float_layers import float_weights
from brinell.compressors.checks.recount import (
    count_bytes,
    count_macs,
    count_nonzero,
    require_at_least,
    require_at_most,
    sum_counts,
)
from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.granularities import Counts, Granularity, PrunableUnits, Sketch, prunable_units
from brinell.compressors.rates import RateProblem, Rates, Uniform, read_rates
from brinell.compressors.training_stages import Stages, stages
from brinell.core import Progress, derive_seed
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Step, Variant

_BYTES_SLACK: Final = 0.02
"""Of the parent's file: the budget is resolved before fine-tuning, and trained values compress otherwise."""


class Prune(Compressor):
    """Keep what has the largest magnitude within each layer, then fine-tune what is left (Han 2015, Li 2017).

    `weight` and `kernel` (k x k weights between two channels, by L2 norm) become zero and stay so: all float
    convolutions and linear layers are pruned, the first and the last too; biases and batch norm are not. `filter` and
    `channel` remove channels, with everything that belongs to them: those whose filters, or the weights that take
    them, have the smallest L2 norm. Channels that meet in a sum go together, and those that end in the logits or in a
    shortcut padded with zeros (option A) stay.

    With several `rounds` the pruned share rises along the cubic curve of Zhu & Gupta 2017 (equation 1), and every
    round trains for `train.epochs`.

    Examples:
        >>> import brinell
        >>> brinell.compressors.Prune(granularity="channel", budget={"macs": 0.5}).budget.macs
        0.5
    """

    kind = "prune"

    granularity: Granularity = "weight"
    """What is removed: a `weight`, `kernel`, `filter` or `channel`."""
    budget: Budget = Budget(macs=0.5)
    """What is kept or removed."""
    rates: Annotated[SerializeAsAny[Rates], BeforeValidator(read_rates)] = Uniform()
    """How the budget is divided among layers."""
    rounds: int = Field(1, ge=1)
    """Rounds of pruning along a cubic schedule, each with `train.epochs`."""
    train: Train = Train(epochs=8, batch_size=128, learning_rate=0.01)
    """Training settings; a mapping changes these defaults."""

    @property
    def never_lowers(self) -> frozenset[str]:
        """Zeros inside a network take the same multiplications."""
        return OPERATIONS if self.granularity in ("weight", "kernel") else frozenset()

    @property
    def epochs(self) -> int:
        """Of every round."""
        return self.train.epochs * self.rounds

    def check(self, variant: Variant) -> None:
        """Budget and rates, by the shapes of the layers; a budget in bytes depends on the weights, and waits."""
        module = variant.trainable()
        counted, parts = self._parts(module, variant)
        if self.budget.bytes is None:
            self.rates.check(self._resolve(module, variant, counted, parts))

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
        """The pruned and fine-tuned variant; what was removed is gone, what was zeroed is exactly zero."""
        module = variant.trainable()
        run = stages(
            self,
            variant,
            data,
            self.train,
            count=self.rounds,
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
        )
        parts, counts, found = self._counts(module, variant, run)
        first, whole = parts, dict(parts.units)
        covered = coverage(module, parts.left, dict.fromkeys(float_weights(module), "no channel of it can be removed"))
        for stage in range(1, self.rounds + 1):
            removed = 1 - (1 - stage / self.rounds) ** 3
            if stage > 1:
                _, parts = self._parts(module, variant)
            kept = {name: units - round(removed * (units - counts[name])) for name, units in whole.items()}
            hold = parts.prune(module, kept)
            run.fit(stage, module, after_step=hold)
        change = first.change(module)
        structure = variant.structure if change is None else (*variant.structure, change)
        units = {name: counts[name] / whole[name] for name in counts}
        figures = {**_figures(module, variant), "units": units, "coverage": covered, **found}
        return variant.child(module, Step(self.kind, self.config(), seed, figures), structure=structure)

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """What was asked for is what is left, and not much less than was planned, counted in the network that ships."""
        ((name, asked),) = self.budget.model_dump().items()
        if name == "bytes":
            dense, size = count_bytes(parent), self.budget.size
            share = float(asked) if size is None else size / dense
            require_at_most("budget.bytes", count_bytes(child) / dense, share, slack=_BYTES_SLACK)
            return
        share = 1 - asked if name == "sparsity" else asked
        where, shape = f"budget.{name}", parent.input_shape
        before, after = parent.deployed("reference"), child.deployed("reference")
        left = sum_counts(count_nonzero(before).values())
        kept = sum_counts(count_nonzero(after).values()).nonzero
        if name == "sparsity":
            found = kept / left.weights
        elif name == "macs":
            found = count_macs(after, shape) / count_macs(replace_zeros(before), shape)
        else:
            others = sum(parameter.numel() for parameter in after.parameters())
            others -= sum(each.weights for each in count_nonzero(after).values())
            found = (kept + others) / sum(parameter.numel() for parameter in before.parameters())
        require_at_most(where, found, share, slack=1 / left.weights)
        if left.nonzero == left.weights:  # what was zero before may be among what was to be left
            require_at_least(where, found, child.lineage[-1].figures["planned"])

    def _counts(
        self, module: nn.Module, variant: Variant, run: Stages
    ) -> tuple[PrunableUnits, dict[str, int], dict[str, Any]]:
        """What can be pruned, how much of it each layer keeps, and what the rate rule measured."""
        counted, parts = self._parts(module, variant)
        resolved = self._resolve(module, variant, counted, parts)
        choice = self.rates.choose(
            RateProblem(
                module=module,
                parts=parts,
                layers={layer.name: layer for layer in counted if layer.name in parts.units},
                resolved=resolved,
                data=run.held or run.data,
                seed=derive_seed(run.seed, "rates"),
                device=run.device,
                checkpoint=None if run.checkpoint is None else run.checkpoint / "rates",
                context=run.context,
                progress=run.progress,
            )
        )
        counts = resolved.counts(choice.shares)
        shares = {name: count / parts.units[name] for name, count in counts.items()}
        planned = resolved.cost(shares) / resolved.cost(dict.fromkeys(shares, 1.0))
        return parts, counts, {"planned": planned, **choice.figures}

    def _parts(self, module: nn.Module, variant: Variant) -> tuple[tuple[costs.LayerCost, ...], PrunableUnits]:
        counted = costs.layers(module, variant.input_shape)
        return counted, prunable_units(module, counted, variant.input_shape, self.granularity)

    def _resolve(
        self, module: nn.Module, variant: Variant, counted: tuple[costs.LayerCost, ...], parts: PrunableUnits
    ) -> ResolvedBudget:
        parameters = sum(weight.numel() for weight in module.parameters())
        return self.budget.resolve(parts, counted, parameters, _sizes(module, variant, parts))


def replace_zeros(module: nn.Module) -> nn.Module:
    """`module`, with ones in place of the zeros in its weights: what it would compute if none had been pruned."""
    for weight in float_weights(module).values():
        weight.data.masked_fill_(weight == 0, 1.0)
    return module


def _sizes(module: nn.Module, variant: Variant, parts: PrunableUnits) -> Callable[[Counts], int]:
    """The bytes of the file of `module` pruned to some counts; written with little effort, for only ratios count."""
    drafts: list[Sketch] = []

    def size(counts: Counts) -> int:
        if not drafts:
            drafts.append(parts.sketch(module))
        network = drafts[0](counts)
        change = parts.change(network)
        structure = variant.structure if change is None else (*variant.structure, change)
        with tempfile.TemporaryDirectory() as folder:
            draft = variant.child(network, Step(Prune.kind, {}, 0), structure=structure)
            return container.write(draft, Path(folder) / "draft.brinell", effort="fast")

    return size


def _figures(module: nn.Module, parent: Variant) -> dict[str, Any]:
    before = {layer.name: layer for layer in costs.layers(parent.deployed("reference"), parent.input_shape)}
    after = [layer for layer in costs.layers(module, parent.input_shape) if layer.kind == "float"]
    weights = sum(layer.weights for layer in before.values() if layer.kind == "float")
    return {
        "sparsity": 1 - sum(layer.nonzero for layer in after) / weights,
        "macs_kept": sum(layer.nonzero_macs for layer in after) / sum(layer.macs for layer in before.values()),
        "kept": {layer.name: layer.nonzero / before[layer.name].weights for layer in after if layer.weights},
    }
