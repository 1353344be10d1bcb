"""The card of one variant of a run, in Markdown: what it is, how it was made, what was measured, with intervals."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import yaml

from brinell.analysis import Evaluation
from brinell.analysis.requirements import requirements
from brinell.core.markdown import escaped, markdown_table
from brinell.reporting.formats import MISSING, interval, percent, pluralize, quantity, radius
from brinell.reporting.tables.masking import verdict

_MASKING = {
    None: "No attack with gradients was run: nothing is known of masked gradients.",
    "masked": "**The gradients are masked.** The robust accuracies above are too high; do not rely on them.",
    "may be masked": "There are signs of masked gradients: the attacks may have been too weak, and the robust "
    "accuracies above too high.",
    "no sign": "No sign of masked gradients was found.",
}


def model_card(evaluation: Evaluation, variant: str, file: str, address: str) -> str:
    """The card of a variant.

    Args:
        evaluation: The run.
        variant: The variant's label.
        file: Name of its file beside the card.
        address: `hf://USER/REPO/FILE`, which `brinell.load` reads.
    """
    row = evaluation.variants.filter(pl.col("variant") == variant).row(0, named=True)
    parts = [
        _front_matter(evaluation),
        f"# {escaped(variant)}",
        f"A compressed network of {quantity(row['parameters'])} parameters in {row['encoded_bytes']:,} bytes, and how "
        "robust it is. The numbers below were measured by brinell on the network as it is in this file.",
        f"```python\nimport brinell\n\nnetwork = brinell.load({address!r}).deployed()\n```",
        "## Measured",
        _measured(evaluation, row),
        _worst_cases(evaluation, variant),
        _MASKING[verdict(evaluation, variant)],
        _requirements(evaluation, variant),
        "## How it was made",
        _steps(evaluation, row),
        "## Limits of these numbers",
        _limits(evaluation),
        f"File: `{file}`. Content key of the variant: `{row['key']}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(evaluation: Evaluation) -> str:
    tags = ["brinell", "model-compression", "adversarial-robustness"]
    front = yaml.safe_dump({"library_name": "brinell", "pipeline_tag": "image-classification", "tags": tags})
    return f"---\n{front}---"


def _measured(evaluation: Evaluation, row: dict[str, Any]) -> str:
    base = evaluation.variants.filter(pl.col("variant") == row["baseline"]).row(0, named=True)
    clean = "clean_accuracy"
    rows = [
        ("file", f"{row['encoded_bytes']:,} bytes", _count(base["encoded_bytes"], " bytes")),
        ("parameters", _count(row["parameters"]), _count(base["parameters"])),
        ("multiply-accumulates", _count(row["macs"]), _count(base["macs"])),
        ("clean accuracy", _share(row, clean), _share(base, clean)),
    ]
    measured = f"On {pluralize(row['examples'] or 0, 'example')} of {evaluation.plan.dataset}"
    head = ["", "this network", f"{escaped(row['baseline'])}, its baseline"]
    return f"{escaped(measured)}; in brackets Wilson's 95 % intervals.\n\n{markdown_table(head, rows)}"


def _worst_cases(evaluation: Evaluation, variant: str) -> str:
    """Worst cases at every radius, beside the baseline's."""
    known = {row["variant"]: row["baseline"] for row in evaluation.variants.iter_rows(named=True)}
    own = evaluation.worst.filter(pl.col("variant") == variant)
    rows = []
    for row in own.iter_rows(named=True):
        at = (pl.col("norm") == row["norm"]) & (pl.col("epsilon") == row["epsilon"])
        base = evaluation.worst.filter((pl.col("variant") == known[variant]) & at)
        rows.append(
            (
                f"{radius(row['epsilon'], row['norm'])} {row['norm']}",
                _share(row, "robust_accuracy"),
                _share(base.row(0, named=True), "robust_accuracy") if len(base) else MISSING,
                f"{row['examples']:,}",
                ", ".join(row["attacks"]),
            )
        )
    if not rows:
        return "No attack was read at a radius: nothing is known of its robustness."
    head = ["worst case within", "this network", "baseline", "examples", "attacks read at this radius"]
    return markdown_table(head, rows)


def _requirements(evaluation: Evaluation, variant: str) -> str:
    found = requirements(evaluation).filter(pl.col("variant") == variant)
    rows = [(row["requirement"], row["verdict"]) for row in found.iter_rows(named=True)]
    return markdown_table(["requirement", "verdict, by one-sided 95 % bounds"], rows)


def _steps(evaluation: Evaluation, row: dict[str, Any]) -> str:
    """The lineage, the first network first."""
    steps = [
        f"{number}. {escaped(step.name)}: {escaped(step.family)} of {escaped(step.architecture)}, seed {step.seed}\n\n"
        f"    ```json\n    {json.dumps(step.settings, sort_keys=True)}\n    ```"
        for number, step in enumerate(evaluation.plan.lineage(row["key"]), start=1)
    ]
    data = f"Data: {evaluation.plan.dataset}, fingerprint {evaluation.plan.fingerprint}."
    return "\n".join([*steps, "", escaped(data)])


def _limits(evaluation: Evaluation) -> str:
    versions = evaluation.environment.get("versions")
    made = ", ".join(f"{name} {value}" for name, value in versions.items()) if isinstance(versions, dict) else ""
    return (
        "Accuracies under attack are upper bounds: a stronger attack may leave less. They hold for these attacks, "
        f"radii and images, and not for other data. {escaped(f'Measured with {made}.') if made else ''}"
    ).strip()


def _share(row: dict[str, Any], name: str) -> str:
    bounds = interval(row[f"{name}_low"], row[f"{name}_high"])
    return percent(row[name]) + (f" ({bounds})" if bounds else "")


def _count(value: float | None, unit: str = "") -> str:
    return MISSING if value is None else f"{value:,}{unit}"
