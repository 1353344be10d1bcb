"""Remarks on models of a study that see images in [0, 1] and classify normalised ones much better."""

from __future__ import annotations

from typing import Final

from torch import nn

from brinell.core import StudyPlan
from brinell.core.records import REMARKS
from brinell.models import Normalized, suggest_normalization
from brinell.store import RunStore
from brinell.study.config import Model, ModelVariant
from brinell.study.networks import load_module
from brinell.study.splits import Splits
from brinell.study.study import Study

_EXAMPLES: Final = 200


def normalization_remarks(study: Study, planned: StudyPlan, splits: Splits, store: RunStore) -> dict[str, str]:
    """By key of the variant, what to set; of variants that are made already, what an earlier call has found.

    Only models whose weights are taken as they are can be told: others learn from the images that they are given.
    """
    earlier = store.environment().get(REMARKS)
    known = earlier if isinstance(earlier, dict) else {}
    keys = {variant.name: variant.key for variant in planned.variants}
    found: dict[str, str] = {}
    for name, entry in study.variants.items():
        if not isinstance(entry, ModelVariant) or entry.train is not None or name not in keys:
            continue
        key = keys[name]
        if store.has_variant(key):
            remark = known.get(key)
        else:
            remark = _remark(study.models[entry.model], f"models.{entry.model}", splits)
        if remark:
            found[key] = str(remark)
    return found


def _remark(model: Model, where: str, splits: Splits) -> str | None:
    module = load_module(model, splits.test.input_shape, 0).eval()
    if _normalizes(module):
        return None
    images, labels = splits.test.take(min(_EXAMPLES, len(splits.test))).tensors()
    found = suggest_normalization(module, images, labels)
    return None if found is None else f"{where}: {found}"


def _normalizes(module: nn.Module) -> bool:
    if not isinstance(module, Normalized):
        return False
    return bool((module.mean != 0).any() or (module.std != 1).any())
