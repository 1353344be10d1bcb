"""The rules of compressors, each on a small trained network."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from brinell.compressors import Compressor, compress
from brinell.container import load, save
from brinell.core import ConfigurationError, ModelError, StoreError
from brinell.data import Dataset
from brinell.testing.rules import Rule, expect, expect_raises, same_tensors
from brinell.training import Train, checkpoint_intervals
from brinell.variants import Variant


def trains(compressor: Compressor) -> bool:
    """Whether it has a field `train`."""
    return "train" in type(compressor).model_fields


def _changed(compressor: Compressor, **settings: Any) -> Compressor:
    return compressor.model_copy(update=settings)


def settings_survive_a_file(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """The settings that `config()` writes are read back as an equal compressor."""
    again = type(compressor).parse(compressor.config())
    expect(again == compressor, f"{again!r} is not {compressor!r}")
    expect(again.key == compressor.key and hash(again) == hash(compressor), "its key or its hash changed")


def train_changes_its_own_defaults(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """A mapping for `train` changes the default training settings, and an unknown key is refused."""
    kind = type(compressor)
    default: Train = kind.model_fields["train"].default
    given = {name: value for name, value in compressor.config().items() if name not in ("train", "kind")}
    changed: Any = kind.parse({**given, "train": {"epochs": 77}})
    expect(changed.train == default.model_copy(update={"epochs": 77}), f"train became {changed.train!r}")
    call = lambda: kind.parse({**given, "train": {"epoch": 77}})  # noqa: E731
    expect_raises(ConfigurationError, call, "an unknown key of train")


def parent_stays_and_child_has_a_step(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """The parent's tensors stay; the child differs and its lineage ends in a step with the settings and figures."""
    before = copy.deepcopy(dict(parent.tensors))
    child = compressor.compress(parent, data, seed=3)
    changed = [name for name, tensor in parent.tensors.items() if not torch.equal(tensor, before[name])]
    expect(not changed, f"these tensors of the parent changed: {', '.join(changed)}")
    expect(not same_tensors(child, parent), "the child's tensors are the parent's")
    expect(len(child.lineage) == len(parent.lineage) + 1, f"the child's lineage has {len(child.lineage)} steps")
    step = child.lineage[-1]
    found, wanted = (step.kind, step.seed, step.settings), (compressor.kind, 3, compressor.config())
    expect(found == wanted, f"the step is {found}, not {wanted}")
    expect(step.figures, "the step has no figures")


def seed_alone_decides(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """Equal seeds give equal tensors whatever the global random state, which is not changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = compressor.compress(parent, data, seed=0)
        torch.manual_seed(2)
        state = torch.get_rng_state()
        again = compressor.compress(parent, data, seed=0)
        expect(torch.equal(torch.get_rng_state(), state), "the global random state was changed")
    expect(same_tensors(first, again), "two calls with one seed give different tensors")


def another_seed_gives_other_tensors(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """Another seed gives another order of training examples, and so other tensors."""
    one, other = (compressor.compress(parent, data, seed=seed) for seed in (0, 1))
    expect(not same_tensors(one, other), "seeds 0 and 1 give equal tensors")


class _Interruption(Exception):  # noqa: N818  it is no error
    pass


def resumes_after_interruptions(
    compressor: Compressor, parent: Variant, data: Dataset, moments: tuple[int, ...] = (2, 5, 8, 3)
) -> None:
    """A compression that is interrupted and called again ends with the tensors of one that is not."""
    undisturbed = compressor.compress(parent, data, seed=0)
    with tempfile.TemporaryDirectory() as folder, checkpoint_intervals(0.02, 0.0):
        interrupted = 0
        for moment in moments:
            interrupted += _interrupted(compressor, parent, data, Path(folder), moment)
        expect(interrupted, "it reports no progress, so that nothing was interrupted")
        resumed = compressor.compress(parent, data, seed=0, checkpoint=Path(folder))
    expect(same_tensors(resumed, undisturbed), f"after {interrupted} interruptions its tensors are others")


def _interrupted(compressor: Compressor, parent: Variant, data: Dataset, folder: Path, moment: int) -> bool:
    """Whether a call was interrupted by its report of progress number `moment`."""
    reports = 0

    def interrupt(label: str, done: float, total: float) -> None:
        nonlocal reports
        reports += 1
        if reports == moment:
            raise _Interruption

    try:
        compressor.compress(parent, data, seed=0, checkpoint=folder, progress=interrupt)
    except _Interruption:
        return True
    return False


def refuses_another_checkpoint(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """A checkpoint of another learning rate raises `StoreError`."""
    train: Train = compressor.train  # type: ignore[attr-defined]
    other = _changed(compressor, train=train.model_copy(update={"learning_rate": 2 * train.learning_rate}))
    with tempfile.TemporaryDirectory() as folder:
        compressor.compress(parent, data, seed=0, checkpoint=Path(folder))
        call = lambda: other.compress(parent, data, seed=0, checkpoint=Path(folder))  # noqa: E731
        expect_raises(StoreError, call, "a checkpoint of another learning rate")


def progress_rises_to_its_total(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """Progress never falls, has one total and ends there."""
    reports: list[tuple[float, float]] = []
    compressor.compress(parent, data, seed=0, progress=lambda label, *report: reports.append(report))
    done = [count for count, _ in reports]
    expect(reports, "it is never reported")
    expect(done == sorted(done), "it falls")
    expect(len({total for _, total in reports}) == 1, f"its totals are {sorted({total for _, total in reports})}")
    expect(reports[-1][0] == reports[-1][1], f"it ends at {reports[-1][0]} of {reports[-1][1]}")


def refuses_data_that_do_not_fit(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """Data of fewer classes, or of other shapes, raise `ModelError`."""
    classes = len(data.class_names)
    names, labels = data.class_names[: classes // 2], data.labels % (classes // 2)
    fewer = replace(data, name="fewer", labels=labels, class_names=names, fingerprint="fewer")
    expect_raises(ModelError, lambda: compressor.compress(parent, fewer, seed=0), "data of half the classes")
    images = data.images[:]
    deeper = replace(data, name="deeper", images=torch.cat([images, images], 1), fingerprint="deeper")
    expect_raises(ModelError, lambda: compressor.compress(parent, deeper, seed=0), "data of twice the channels")


def module_stays(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """`brinell.compress` of a module does not change its weights."""
    module = parent.trainable().eval()
    before = copy.deepcopy(module.state_dict())
    compress(module, compressor, train_data=data)
    changed = [name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)]
    expect(not changed, f"these tensors of the module changed: {', '.join(changed)}")


def file_restores_the_tensors(compressor: Compressor, parent: Variant, data: Dataset) -> None:
    """The compressed variant has the same tensors after `brinell.save` and `brinell.load`."""
    child = compressor.compress(parent, data, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "child.brinell"
        save(child, path)
        expect(same_tensors(load(path), child), "tensors of the file are others")


COMPRESSOR_RULES: Final[tuple[Rule[Compressor], ...]] = (
    Rule(settings_survive_a_file),
    Rule(train_changes_its_own_defaults, trains),
    Rule(parent_stays_and_child_has_a_step),
    Rule(seed_alone_decides),
    Rule(another_seed_gives_other_tensors, trains),
    Rule(resumes_after_interruptions, trains),
    Rule(refuses_another_checkpoint, trains),
    Rule(progress_rises_to_its_total),
    Rule(refuses_data_that_do_not_fit),
    Rule(module_stays),
    Rule(file_restores_the_tensors),
)
"""What every compressor must do, each rule with the compressors that it is for."""
