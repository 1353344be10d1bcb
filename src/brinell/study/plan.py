"""`plan`: from a study to everything that it will compute, each thing under its content key. Computes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from brinell.core import Block, ConfigurationError, PlannedTrial, Point, StudyPlan, content_key
from brinell.data import Dataset
from brinell.study.entries import AttackEntry
from brinell.study.lineage import Planned, plan_variants
from brinell.study.splits import Splits
from brinell.study.study import Study

CLEAN = "clean"
"""Name and kind of the trial that holds a variant's predictions without an attack."""


def plan(study: Study, splits: Splits | None = None) -> StudyPlan:
    """Variants, trials and blocks of `study`: a pure function of it and of the files it names.

    Keys hold settings, seeds and digests of data and weights: no paths, and no number of test examples.

    Raises:
        ConfigurationError: a model does not fit the data, or more examples are asked for than there are.
        DataError, ModelError: data or weights are missing, damaged, or of another architecture.
    """
    splits = splits or Splits(study.data)
    test = splits.test
    variants = plan_variants(study, splits)
    return StudyPlan(
        name=study.name,
        classes=test.classes,
        class_names=test.class_names,
        dataset=test.name,
        fingerprint=test.fingerprint,
        examples=len(test),
        config=study.config(),
        variants=tuple(variant.record for variant in variants),
        trials=(*_clean_trials(study, test, variants), *_attack_trials(study, test, variants)),
    )


def _clean_trials(study: Study, test: Dataset, variants: Sequence[Planned]) -> Iterator[PlannedTrial]:
    blocks = cut(test, len(test), study.block)
    for variant in variants:
        yield _trial(CLEAN, {"kind": CLEAN, "revision": 1}, variant, (Point(0.0, 0),), blocks, test)


def _attack_trials(study: Study, test: Dataset, variants: Sequence[Planned]) -> Iterator[PlannedTrial]:
    for name, entry in study.attacks.items():
        examples = len(test) if entry.examples is None else entry.examples
        if examples > len(test):
            raise ConfigurationError(f"attacks.{name}.examples: {examples} asked for; data.test has {len(test)}")
        blocks = cut(test, examples, study.block)
        chosen = [item for item in variants if entry.variants is None or item.record.name in entry.variants]
        for variant in chosen:
            for seed in _seeds(entry, study):
                yield _trial(
                    name,
                    entry.attack.identity(),
                    variant,
                    entry.points,
                    blocks,
                    test,
                    seed=seed,
                    random=entry.attack.random,
                    trace_every=entry.trace_every,
                )


def _seeds(entry: AttackEntry, study: Study) -> tuple[int, ...]:
    """What to run a random attack with; another owes nothing to a seed and runs once."""
    if not entry.attack.random:
        return (0,)
    return tuple(dict.fromkeys(study.seeds.attacks if entry.seeds is None else entry.seeds))


def _trial(
    name: str,
    spec: dict[str, object],
    variant: Planned,
    points: tuple[Point, ...],
    blocks: tuple[Block, ...],
    test: Dataset,
    *,
    seed: int = 0,
    random: bool = False,
    trace_every: int | None = None,
) -> PlannedTrial:
    key = content_key(
        "trial",
        attack=spec,
        points=[list(point) for point in points],
        judged_on=variant.record.key,
        crafted_on=variant.record.key,
        view=variant.view,
        runtime="reference",
        data=[test.fingerprint, test.split],
        seed=seed,
        trace_every=trace_every,
    )
    return PlannedTrial(
        key=key,
        attack=name,
        kind=str(spec["kind"]),
        spec=spec,
        judged_on=variant.record.key,
        crafted_on=variant.record.key,
        seed=seed,
        view=variant.view,
        runtime="reference",
        random=random,
        points=points,
        trace_every=trace_every,
        blocks=blocks,
    )


def cut(test: Dataset, examples: int, size: int) -> tuple[Block, ...]:
    """The first `examples` in blocks of `size`, each named after the examples it holds."""
    blocks = []
    for index, start in enumerate(range(0, examples, size)):
        stop = min(start + size, examples)
        digest = hashlib.sha256(test.ids[start:stop].numpy().astype("<i8").tobytes()).hexdigest()[:10]
        blocks.append(Block(name=f"{index:04d}-{stop - start}-{digest}", start=start, stop=stop))
    return tuple(blocks)
