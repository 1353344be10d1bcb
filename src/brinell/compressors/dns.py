"""Dynamic network surgery: pruning that can change its mind (Guo, Yao & Chen 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from brinell.compressors.checks.coverage import coverage
from brinell.compressors.checks.float_layers import FLOAT_LAYERS, float_weights, trainable_weights
from brinell.compressors.checks.recount import count_nonzero, require_at_most, sum_counts
from brinell.compressors.compressor import OPERATIONS, Compressor
from brinell.compressors.dns_mask import POINTS, Surgery
from brinell.compressors.training_stages import stages, top_k_mask
from brinell.core import ConfigurationError, Fraction, Progress, choices
from brinell.data import Dataset
from brinell.nn import tied_layers
from brinell.training import Batches, Train
from brinell.variants import Step, Variant


def _pairs(value: Any) -> Any:
    return tuple(value.items()) if isinstance(value, Mapping) else value


PerLayer = Annotated[tuple[tuple[str, Fraction], ...], BeforeValidator(_pairs)]
"""A mapping of layers' names to numbers, as YAML writes it; kept as pairs, so that it hashes."""


class DNS(Compressor):
    """Train behind masks that follow the weights' sizes: prune the small, splice what has grown back.

    The forward pass uses w * mask, the gradient is dense. A mask changes with probability (1 + gamma * step)^-power
    while less than `stop` of a phase's steps are done: off where |w| <= 0.9 t, on again where |w| > 1.1 t. The method's
    threshold is t = max(mean |w| + c * std |w|, 0) of the layer's weights at the start; with a wanted `sparsity`, c is
    the one that meets it, solved anew at each change, and the last change meets it to the weight.

    A number as `sparsity` or `c` is for all float convolutions and linear layers: one c for all, so that a layer with
    heavy tails keeps more. By layer, those that are not named stay dense.

    Examples:
        >>> import brinell
        >>> brinell.compressors.DNS(sparsity=0.95).train.epochs
        4
    """

    kind = "dns"
    revision = 2  # a wanted sparsity is met at every change, not only at the last

    sparsity: Fraction | PerLayer | None = 0.9
    """Share of the weights that become zero: of all, or by layer; `None` where `c` is given."""
    c: Fraction | PerLayer | None = None
    """The method's own setting in place of `sparsity`; of Gaussian weights 0 prunes 53 % at first, 3 prunes 98 %."""
    gamma: Fraction = Field(1e-4, ge=0)
    """Rate at which mask updates become rarer; see `power`."""
    power: Fraction = Field(1.0, ge=0)
    """Masks change with probability (1 + gamma * step)^-power."""
    stop: Fraction = Field(0.7, gt=0, le=1)
    """Share of a phase's steps after which masks are fixed."""
    phases: Literal["in_turn", "together"] = "in_turn"
    """Convolutions first and then linear layers, each phase with `train` of its own (the paper's remedy against
    vanishing gradients), or all in one."""
    train: Train = Train(epochs=4, batch_size=128, learning_rate=0.01)
    """Training settings; a mapping changes these defaults."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.sparsity is None) == (self.c is None):
            raise ValueError("give sparsity or c, and null for the other one")
        shares = self.sparsity if isinstance(self.sparsity, tuple) else (("", self.sparsity or 0.0),)
        if any(not 0 <= share < 1 for _, share in shares):
            raise ValueError("sparsity: expected a share of at least 0 and less than 1")
        return self

    @property
    def never_lowers(self) -> frozenset[str]:
        """Every weight stays where it is."""
        return OPERATIONS

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return self.train.epochs * (2 if self.phases == "in_turn" else 1)

    def check(self, variant: Variant) -> None:
        """Its layers have the names that are given here."""
        weights = trainable_weights(variant.trainable())
        for field in ("sparsity", "c"):
            given = getattr(self, field)
            if isinstance(given, tuple):
                _known(given, weights, field)

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
        teacher: Variant | None = None,
    ) -> Variant:
        """The pruned variant, its zeros exact.

        `teacher`: whose answers `train.distillation` learns; `None`: those of `variant`.
        """
        module = variant.trainable()
        weights = trainable_weights(module)
        kept, c = self._kept(weights, _count(module)), self._c(weights)
        tied = tied_layers(module, FLOAT_LAYERS)
        covered = coverage(module, kept or c, dict.fromkeys(weights, "not named in sparsity or c"))
        phases = self._phases(module, list(kept or c))
        run = stages(
            self,
            variant,
            data,
            self.train,
            count=len(phases),
            seed=seed,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
            teacher=teacher,
        )
        last = round(self.stop * self.train.epochs * len(Batches(run.data, self.train, seed)))
        done: list[list[Surgery]] = []
        for stage, names in enumerate(phases, start=1):
            layers = {name: [module.get_submodule(other) for other in tied[name]] for name in names}
            surgeries = [
                Surgery(layer, name, kept=kept.get(name), c=c.get(name, 0.0), seed=seed, tied=others)
                for name, (layer, *others) in layers.items()
            ]
            for surgery in surgeries:
                surgery.begin(last)
            run.fit(stage, module, after_step=self._after(surgeries))
            done.append(surgeries)
        logs = [_log(stage, surgeries) for stage, surgeries in enumerate(done, start=1)]
        for surgery in (surgery for surgeries in done for surgery in surgeries):
            surgery.bake()
        figures = {**_figures(module, logs), "coverage": covered}
        return variant.child(module, Step(self.kind, self.config(), seed, figures))

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """So many weights are zero as were asked for, counted in the network that ships."""
        if self.sparsity is None:
            return
        nonzero = count_nonzero(child.deployed("reference"))
        if isinstance(self.sparsity, tuple):
            for name, share in self.sparsity:
                one = 1 / nonzero[name].weights
                require_at_most(f"sparsity.{name}", nonzero[name].share, 1 - share, slack=one)
        else:
            whole = sum_counts(nonzero.values())
            require_at_most("sparsity", whole.share, 1 - self.sparsity, slack=1 / whole.weights)

    def _after(self, surgeries: Sequence[Surgery]) -> Any:
        def after(module: nn.Module) -> None:
            for surgery in surgeries:
                surgery.after_step(self.gamma, self.power)

        return after

    def _kept(self, weights: Mapping[str, Tensor], total: int | None = None) -> dict[str, int]:
        """How many weights each layer keeps, where that is what was asked for, of `total` with the frozen ones."""
        if self.sparsity is None:
            return {}
        if isinstance(self.sparsity, tuple):
            shares = _known(self.sparsity, weights, "sparsity")
            counts = {name: round((1 - share) * weights[name].numel()) for name, share in shares.items()}
        else:
            counts = _share_out(self.sparsity, weights, total)
        for name, count in counts.items():
            if count < 1:
                raise ConfigurationError(
                    f"sparsity: leaves none of the {weights[name].numel()} weights of {name}, which cuts the network "
                    "in two; ask for less, or by layer"
                )
        return counts

    def _c(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        if self.c is None:
            return {}
        return _known(self.c, weights, "c") if isinstance(self.c, tuple) else dict.fromkeys(weights, self.c)

    def _phases(self, module: nn.Module, names: list[str]) -> list[list[str]]:
        linear = [name for name in names if isinstance(module.get_submodule(name), nn.Linear)]
        if self.phases == "together" or not 0 < len(linear) < len(names):
            return [names]
        return [[name for name in names if name not in linear], linear]


def _known(pairs: tuple[tuple[str, float], ...], weights: Mapping[str, Tensor], field: str) -> dict[str, float]:
    for name, _ in pairs:
        if name not in weights:
            raise ConfigurationError(f"{field}.{name}: no such layer; {choices(name, list(weights))}")
    if not pairs:
        raise ConfigurationError(f"{field}: no layer is named; accepted: {', '.join(weights)}")
    return dict(pairs)


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in float_weights(module).values())


@torch.no_grad()
def _share_out(sparsity: float, weights: Mapping[str, Tensor], total: int | None = None) -> dict[str, int]:
    """What each layer keeps under the one c that leaves `1 - sparsity` of all weights, those of other layers whole."""
    scores = {}
    for name, weight in weights.items():
        size = weight.abs().flatten()
        spread = size.std(correction=0)
        scores[name] = (size - size.mean()) / spread.clamp_min(torch.finfo(size.dtype).tiny)
    every = torch.cat(list(scores.values()))
    total = every.numel() if total is None else total
    kept = round((1 - sparsity) * total) - (total - every.numel())
    if kept < 0:
        most = every.numel() / total
        raise ConfigurationError(f"sparsity: {sparsity:g} cannot be met: {1 - most:.4g} of the weights are frozen")
    chosen = top_k_mask(every, kept)
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: int(part.sum()) for name, part in zip(scores, parts, strict=True)}


def _log(phase: int, surgeries: Sequence[Surgery]) -> list[list[int]]:
    """Rows of phase, first step, and weights pruned, spliced and left, of all layers together."""
    steps = surgeries[0].last + 1
    total = torch.stack([surgery.mask.log.cpu() for surgery in surgeries]).sum(0).tolist()
    starts = [-(-point * steps // POINTS) for point in range(POINTS)]
    return [[phase, start, *total[start * POINTS // steps]] for start in dict.fromkeys(starts) if start < steps]


def _figures(module: nn.Module, logs: list[list[list[int]]]) -> dict[str, Any]:
    weights = float_weights(module)
    nonzero = {name: int(weight.count_nonzero()) for name, weight in weights.items()}
    rows = [row for log in logs for row in log]
    columns = ("phase", "step", "pruned", "spliced", "left")
    return {
        "sparsity": 1 - sum(nonzero.values()) / sum(weight.numel() for weight in weights.values()),
        "kept": {name: count / weights[name].numel() for name, count in nonzero.items()},
        "surgery": {name: [row[place] for row in rows] for place, name in enumerate(columns)},
    }
