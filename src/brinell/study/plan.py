"""`plan`: from a study to everything that it will compute, each thing under its content key. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from brinell.core import (
    Block,
    ConfigurationError,
    PlannedPaper,
    PlannedProbe,
    PlannedTrial,
    Point,
    StudyPlan,
    block_name,
    content_key,
)
from brinell.data import Dataset
from brinell.runtimes import Reference
from brinell.study.config import AttackEntry, SweptAttack, TransferEntry
from brinell.study.environment import machine
from brinell.study.plan_variants import VariantPlan, plan_variants
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.study.view_selection import select_view

CLEAN = "clean"
"""Name and kind of the trial that holds a variant's predictions without an attack."""


def plan(study: Study, splits: Splits | None = None) -> StudyPlan:
    """Variants, trials and blocks of `study`: a pure function of it and of the files it names.

    Keys hold settings, seeds and digests of data and weights: no paths, and no number of test examples.

    Args:
        study: The study.
        splits: Its data, where they are read already.

    Returns:
        The plan.

    Raises:
        ConfigurationError: a model does not fit the data, more examples are asked for than there are, or an attack
            needs a gradient that a variant does not have.
        DataError, ModelError: data or weights are missing, damaged, or of another architecture.

    Examples:
        >>> from brinell.study.reading import find
        >>> study = Study.from_yaml(find("quickstart"))
        >>> planned = plan(study)
        >>> planned.name, planned.classes
        ('quickstart', 10)
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
        trials=(
            *_clean_trials(study, test, variants),
            *_attack_trials(study, test, variants),
            *_transfer_trials(study, test, variants),
        ),
        probes=tuple(_probes(study, test, variants)),
        paper=None if study.paper is None else PlannedPaper(**study.paper.model_dump()),
        requirements=study.requirements,
    )


def _clean_trials(study: Study, test: Dataset, variants: Sequence[VariantPlan]) -> Iterator[PlannedTrial]:
    blocks = cut(test, len(test), study.block)
    for variant in variants:
        clean = _Run(CLEAN, {"kind": CLEAN, "revision": 1}, "linf", (Point(0.0, 0),), blocks, study.runtime)
        yield _trial(clean, variant, variant, variant.view, test)


def _attack_trials(study: Study, test: Dataset, variants: Sequence[VariantPlan]) -> Iterator[PlannedTrial]:
    for name, entry in study.attacks.items():
        where = f"attacks.{name}"
        chosen = _among(variants, entry.variants)
        traced = entry.trace_every is not None
        views = [select_view(entry.attack, entry.view, variant, where, "variants", traced=traced) for variant in chosen]
        for run in _runs(name, entry, entry, study, test, where, entry.trace_every):
            for variant, view in zip(chosen, views, strict=True):
                yield _trial(run, variant, variant, view, test)


def _transfer_trials(study: Study, test: Dataset, variants: Sequence[VariantPlan]) -> Iterator[PlannedTrial]:
    for name, entry in study.transfers.items():
        where = f"transfer.{name}"
        sources = _among(variants, entry.sources)
        views = [select_view(entry.attack.attack, entry.view, source, where, "sources") for source in sources]
        for run in _runs(name, entry.attack, entry, study, test, where):
            for source, view in zip(sources, views, strict=True):
                for target in _among(variants, entry.targets):
                    if _of_one_seed(source, target):
                        yield _trial(run, target, source, view, test)


@dataclass(frozen=True)
class _Run:
    """One execution of an attack, on whichever variant."""

    attack: str
    spec: dict[str, object]
    norm: str
    points: tuple[Point, ...]
    blocks: tuple[Block, ...]
    runtime: str
    seed: int = 0
    random: bool = False
    trace_every: int | None = None
    paper_axis: tuple[Literal["epsilon", "steps"], float] | None = None


def _runs(
    name: str,
    swept: SweptAttack,
    entry: AttackEntry | TransferEntry,
    study: Study,
    test: Dataset,
    where: str,
    trace_every: int | None = None,
) -> Iterator[_Run]:
    """An attack with each of its seeds; one that is not random owes nothing to a seed and runs once."""
    examples = len(test) if entry.examples is None else entry.examples
    if examples > len(test):
        raise ConfigurationError(f"{where}.examples: {examples} asked for; data.test has {len(test)}")
    blocks = cut(test, examples, study.block)
    seeds = study.seeds.attacks if entry.seeds is None else entry.seeds
    attack, points, runtime = swept.attack, swept.points, study.runtime
    for seed in dict.fromkeys(seeds) if attack.random else (0,):
        norm, spec = attack.distance_norm, attack.identity()
        yield _Run(name, spec, norm, points, blocks, runtime, seed, attack.random, trace_every, attack.paper_axis)


def _among(variants: Sequence[VariantPlan], names: tuple[str, ...] | None) -> list[VariantPlan]:
    return [variant for variant in variants if names is None or variant.record.name in names]


def _of_one_seed(source: VariantPlan, target: VariantPlan) -> bool:
    """Variants of several seeds meet their own; one that owes nothing to a seed meets all."""
    seedless = any(variant.record.family == "model" for variant in (source, target))
    return seedless or source.record.seed == target.record.seed


def _trial(run: _Run, judged: VariantPlan, crafted: VariantPlan, view: str, test: Dataset) -> PlannedTrial:
    key = content_key(
        "trial",
        attack=run.spec,
        points=[list(point) for point in run.points],
        judged_on=judged.record.key,
        crafted_on=crafted.record.key,
        view=view,
        runtime=run.runtime,
        data=[test.fingerprint, test.split],
        seed=run.seed,
        trace_every=run.trace_every,
    )
    return PlannedTrial(
        key=key,
        attack=run.attack,
        kind=str(run.spec["kind"]),
        spec=run.spec,
        norm=run.norm,
        judged_on=judged.record.key,
        crafted_on=crafted.record.key,
        seed=run.seed,
        view=view,
        runtime=run.runtime,
        random=run.random,
        points=run.points,
        paper_axis=run.paper_axis,
        trace_every=run.trace_every,
        blocks=run.blocks,
    )


def _probes(study: Study, test: Dataset, variants: Sequence[VariantPlan]) -> Iterator[PlannedProbe]:
    for kind, entry in study.probes.items():
        probe = entry.probe
        seed = study.seeds.attacks[0] if probe.random else 0
        (shown,) = cut(test, min(probe.examples, len(test)), len(test))
        for variant in _among(variants, entry.variants):
            key = content_key(
                "probe",
                probe=probe.identity(),
                variant=variant.record.key,
                data=[test.fingerprint, test.split],
                examples=shown.stop if probe.exclusive else shown.name,
                machine=machine() if probe.exclusive else None,
                seed=seed,
                **({} if study.runtime == Reference.kind else {"runtime": study.runtime}),
            )
            yield PlannedProbe(key=key, kind=kind, variant=variant.record.key, spec=probe.config(), seed=seed)


def cut(test: Dataset, examples: int, size: int) -> tuple[Block, ...]:
    """The first `examples` in blocks of `size`, each named after the examples it holds."""
    blocks = []
    for index, start in enumerate(range(0, examples, size)):
        stop = min(start + size, examples)
        blocks.append(Block(name=block_name(index, test.ids[start:stop].numpy()), start=start, stop=stop))
    return tuple(blocks)
