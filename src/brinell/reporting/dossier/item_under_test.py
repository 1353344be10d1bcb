"""What was tested: networks with the hashes of their files, software, machine, runtime; and on which data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from brinell.analysis import CLEAN, Evaluation
from brinell.core import BrinellError
from brinell.reporting.dossier.section import DossierSection, Value
from brinell.store import RunStore
from brinell.store.file_digest import file_sha256


def item_under_test(evaluation: Evaluation, store: RunStore, variants: Sequence[str]) -> DossierSection:
    """One row a network; statements on what computed it."""
    rows = []
    for row in evaluation.variants.filter(pl.col("variant").is_in(list(variants))).iter_rows(named=True):
        line = evaluation.plan.lineage(row["key"])
        variant = line[-1]
        rows.append(
            {
                "network": row["variant"],
                "baseline": row["baseline"],
                "made by": ", then ".join(step.family for step in line),
                "architecture": variant.architecture,
                "seed": variant.seed,
                "settings": "; ".join(json.dumps(step.settings, sort_keys=True) for step in line),
                "bytes": row["encoded_bytes"],
                "parameters": row["parameters"],
                "MACs": row["macs"],
                "content key": row["key"],
                "file SHA-256": _sha256(store, row["key"]),
            }
        )
    return DossierSection("item_under_test", "Item under test", _software(evaluation), tuple(rows))


def data(evaluation: Evaluation) -> DossierSection:
    """The images that everything was measured on."""
    plan = evaluation.plan
    row: dict[str, Value] = {
        "data set": plan.dataset,
        "fingerprint": plan.fingerprint,
        "images": plan.examples,
        "classes": plan.classes,
        "settings": json.dumps(plan.config.get("data", {}), sort_keys=True),
    }
    text = "The fingerprint is a hash of the test split's images and labels; the study itself trains on another split."
    return DossierSection("data", "Data", (text,), (row,))


def _sha256(store: RunStore, key: str) -> str | None:
    try:
        file = store.variant_file(key, "variant.brinell")
    except BrinellError:
        return None
    return None if file is None else file_sha256(file)


def _software(evaluation: Evaluation) -> tuple[str, ...]:
    facts = evaluation.environment
    runtimes = sorted({trial.runtime for trial in evaluation.plan.trials}) or ["reference"]
    found = [f"Networks were judged in the runtime {', '.join(runtimes)}, as they are deployed."]
    if versions := _pairs(facts.get("versions")):
        found.append(f"Software: {versions}.")
    if machine := _pairs(facts.get("machine")):
        found.append(f"Machine: {machine}.")
    found.append(f"Commit of brinell: {facts.get('commit') or 'not known'}.")
    if any(trial.kind != CLEAN and trial.runtime != "reference" for trial in evaluation.plan.trials):
        found.append("Gradients are those of PyTorch; their adversarial images were judged in the runtime.")
    return tuple(found)


def _pairs(value: Any) -> str:
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else ""
