"""The study that `brinell.limit` runs: how far one network can be compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from brinell.core import ConfigurationError
from brinell.core.goals import Goal, parse_goal
from brinell.core.requirements import PROBED, parse_requirement

BASELINE: Final = "baseline"
"""Name of the network that is compressed."""
LIMIT: Final = "smallest"
"""Name of the search."""
STEPS: Final = 20
"""Steps of PGD that confirm."""


def limit_config(
    model: str | Mapping[str, Any],
    *,
    data: str | Mapping[str, Any],
    keep: Sequence[str],
    weights: str | Path | None = None,
    train: Mapping[str, Any] | None = None,
    minimise: str | Sequence[str] = "bytes",
    families: Mapping[str, Any] | None = None,
    budget: int | None = 24,
    hours: float | None = None,
    epochs: int = 2,
) -> dict[str, Any]:
    """The mapping of the study that `brinell.limit` runs.

    Args:
        model, data, keep, weights, train, minimise, families, budget, hours, epochs: As for `brinell.limit`.

    Returns:
        The mapping, as a YAML file would hold it.

    Raises:
        ConfigurationError: a condition cannot be read, or there is none.

    Examples:
        >>> config = limit_config("resnet8", data="digits", keep=["clean_accuracy >= -0.01"])
        >>> "limits" in config
        True
    """
    texts = [keep] if isinstance(keep, str) else list(keep)
    if not texts:
        raise ConfigurationError("keep: at least one condition is needed, such as 'clean_accuracy >= -0.01'")
    conditions = [parse_requirement(text, "keep") for text in texts]
    goals = [parse_goal(text) for text in ([minimise] if isinstance(minimise, str) else minimise)]
    metrics = [*(condition.metric for condition in conditions), *(goal.metric for goal in goals)]
    probed = {PROBED[metric] for metric in metrics if metric in PROBED}
    spent = {name: value for name, value in (("variants", budget), ("hours", hours)) if value is not None}
    attacked = [condition for condition in conditions if condition.radius is not None]
    radii = sorted({condition.radius or 0.0 for condition in attacked})
    norm = attacked[0].norm if attacked else "linf"
    swept = {"norm": norm, "sweep": {"epsilon": radii}}
    attacks = {"fgsm": {"kind": "fgsm", **swept}, "pgd": {"kind": "pgd", "steps": STEPS, **swept}} if radii else {}
    entry = {"kind": model} if isinstance(model, str) else dict(model)
    return {
        "name": "limit",
        "data": {"kind": data} if isinstance(data, str) else dict(data),
        "models": {"model": {**entry, **({} if weights is None else {"weights": str(weights)})}},
        "variants": {BASELINE: {"model": "model", **({} if train is None else {"train": dict(train)})}},
        "attacks": attacks,
        **({"probes": dict.fromkeys(sorted(probed), True)} if probed else {}),
        "limits": {
            LIMIT: {
                "from": BASELINE,
                "minimise": [goal.text for goal in goals],
                "keep": texts,
                "families": dict(families or default_families(epochs, goals)),
                "budget": spent,
            }
        },
    }


def default_families(epochs: int, goals: Sequence[Goal]) -> dict[str, Any]:
    """What lowers the goals: of bytes alone pruning of weights and INQ, of anything else pruning of channels."""
    train = {"epochs": epochs}
    if all(goal.metric == "encoded_bytes" for goal in goals):
        sparsity = {"sparsity": {"search": [0.3, 0.98]}}
        return {
            "weights": {"kind": "prune", "granularity": "weight", "budget": sparsity, "train": train},
            "powers": {"kind": "inq", "weight_bits": {"search": [2, 7]}, "train": train},
        }
    macs = {"macs": {"search": [0.2, 0.95]}}
    return {"channels": {"kind": "prune", "granularity": "channel", "budget": macs, "train": train}}
