"""Transfer in a study: crafted once on every source, judged on every target, resumed target by target."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from brinell import container
from brinell.analysis import load
from brinell.attacks import FGSM, run_trial
from brinell.core import ConfigurationError, UnsupportedError
from brinell.store import RunStore
from brinell.study import AttackTask, Study, missing, plan, run, tasks, worker_context
from brinell.study.tasks import attack as attack_module
from study.conftest import changed

FLOATS = ("margin", "l2", "linf")


@pytest.fixture
def crossing(tiny):
    """Two variants, one transferred attack, one white-box attack of the same settings."""
    tiny["attacks"] = {"white": {"kind": "fgsm", "epsilon": "16/255"}}
    tiny["transfer"] = {"attack": {"kind": "fgsm", "epsilon": "16/255"}, "sources": "all", "targets": "all"}
    return tiny


def transfers(found):
    return [trial for trial in found.trials if trial.attack == "transfer"]


def test_every_source_meets_every_target_and_the_diagonal_is_white_box(crossing):
    found = plan(Study.parse(crossing))
    names = {variant.key: variant.name for variant in found.variants}
    pairs = [(names[trial.crafted_on], names[trial.judged_on]) for trial in transfers(found)]
    assert pairs == [("base", "base"), ("base", "pruned"), ("pruned", "base"), ("pruned", "pruned")]
    white = {trial.key for trial in found.trials if trial.attack == "white"}
    assert {trial.key for trial in transfers(found) if trial.crafted_on == trial.judged_on} == white
    assert len({trial.key for trial in found.trials}) == 2 + 4


def test_one_task_crafts_for_every_target(crossing):
    everything = tasks(plan(Study.parse(crossing)))
    assert len(everything) == 2 + 2 * 2 + 2 * 2  # variants; clean predictions and sources, in two blocks each
    together = [task for task in everything if isinstance(task, AttackTask) and len(task.trials) == 2]
    assert len(together) == 4
    for task in together:
        assert task.after == (task.variant.key,)
        assert {trial.crafted_on for trial in task.trials} == {task.variant.key}
        assert len(task.after_any) == 3  # the other variant, and the clean predictions of both


@pytest.mark.parametrize("kind", ["fgsm", "pgd"])
def test_rows_are_those_of_crafting_on_the_source_and_judging_on_the_target(crossing, tmp_path, kind):
    crossing["transfer"]["attack"]["kind"] = kind
    run(Study.parse(crossing), out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    study = Study.parse(crossing)
    for trial in transfers(store.plan()):
        source, target = (
            container.read(store.variant(key) / "variant.brinell") for key in (trial.crafted_on, trial.judged_on)
        )
        for block in trial.blocks:
            part = study.data.source.load("test").take(40, 0)
            images, labels = (values[block.start : block.stop] for values in part.tensors())
            white_box = trial.crafted_on == trial.judged_on
            expected = run_trial(
                target.deployed(),
                source.view(),
                images,
                labels,
                part.ids[block.start : block.stop],
                study.transfers["transfer"].attack.attack,
                white_box=white_box,
            ).rows
            found = store.read_rows(trial.key, block.name)
            for name, values in expected.items():
                if name in FLOATS:
                    np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-4, atol=1e-5)
                else:
                    assert found[name].to_list() == values.tolist(), name


def counting(monkeypatch) -> list[str]:
    """Names of the attacks that are crafted from here on."""
    crafted = []
    for name in ("run_trial", "craft"):
        original = getattr(attack_module, name)

        def told(*arguments, original=original, **settings):
            crafted.append(next(value.kind for value in arguments if isinstance(value, FGSM)))
            return original(*arguments, **settings)

        monkeypatch.setattr(attack_module, name, told)
    return crafted


def test_every_source_and_block_is_crafted_once(crossing, tmp_path, monkeypatch):
    crafted = counting(monkeypatch)
    run(Study.parse(crossing), out=tmp_path / "run", threads=1)
    assert len(crafted) == 2 * 2  # sources times blocks; the white-box attack shares the diagonal


def test_lost_targets_alone_are_judged_again(crossing, tmp_path, monkeypatch):
    study = Study.parse(crossing)
    run(study, out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    trial = next(trial for trial in transfers(store.plan()) if trial.crafted_on != trial.judged_on)
    path = store.rows_path(trial.key, trial.blocks[1].name)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (store.root / "trials").rglob("*.parquet")}
    path.unlink()
    (left,) = missing(tasks(plan(study)), store, 10)
    assert [one.key for one in left.trials] == [trial.key]
    crafted = counting(monkeypatch)
    (ending,) = run(study, out=store.root, threads=1).endings
    assert (ending.status, crafted) == ("done", ["fgsm"])
    for other, (content, written) in before.items():
        assert other.read_bytes() == content
        assert (other.stat().st_mtime_ns == written) == (other != path)


def test_a_target_that_is_not_made_holds_up_nobody_else(crossing, tmp_path, monkeypatch):
    crossing["variants"]["worse"] = {
        "from": "base",
        "compress": {"kind": "inq", "weight_bits": 3, "train": {"epochs": 0}},
    }
    crossing["transfer"] |= {"sources": ["base"], "targets": ["worse", "pruned"]}
    study, make = Study.parse(crossing), worker_context.container.write

    def fail(variant, path, *rest, **settings):
        if any(step.kind == "inq" for step in variant.lineage):
            raise RuntimeError("out of luck")
        return make(variant, path, *rest, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(worker_context.container, "write", fail)
        result = run(study, out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    assert {ending.task.label for ending in result.ended("failed")} == {"worse"}
    blocked = [ending for ending in result.ended("blocked") if ending.task.label.startswith("base · transfer")]
    assert [ending.message for ending in blocked] == ["worse: not made, or not judged without an attack"] * 2
    pruned, worse = transfers(store.plan())
    assert [store.has_rows(pruned.key, block.name) for block in pruned.blocks] == [True, True]
    assert not any(store.has_rows(worse.key, block.name) for block in worse.blocks)
    again = run(study, out=tmp_path / "run", threads=1)
    assert {ending.status for ending in again.endings} == {"done"}
    assert all(store.has_rows(worse.key, block.name) for block in worse.blocks)


def test_what_one_target_cannot_do_does_not_hold_up_the_others(crossing, tmp_path, monkeypatch):
    original = attack_module.judge_crafted

    def unsupported(judged, crafted, **settings):
        if not settings["white_box"]:
            raise UnsupportedError("makes no sense")
        return original(judged, crafted, **settings)

    monkeypatch.setattr(attack_module, "judge_crafted", unsupported)
    result = run(Study.parse(crossing), out=tmp_path / "run", threads=1)
    assert {ending.message for ending in result.ended("unsupported")} == {
        "judged on base: makes no sense",
        "judged on pruned: makes no sense",
    }
    store = RunStore.open(tmp_path / "run")
    for trial in transfers(store.plan()):
        assert store.has_rows(trial.key, trial.blocks[0].name) == (trial.crafted_on == trial.judged_on)


def test_several_transfers_by_name(crossing):
    fgsm = crossing.pop("transfer")
    crossing["transfer"] = {
        "one": {**fgsm, "sources": ["base"], "targets": ["pruned"], "examples": 20},
        "two": {"attack": {"kind": "pgd", "sweep": {"epsilon": [0.1, 0.2]}}, "sources": "pruned", "seeds": [4, 5]},
    }
    study = Study.parse(crossing)
    assert Study.parse(study.config()) == study
    found = plan(study)
    one = [trial for trial in found.trials if trial.attack == "one"]
    two = [trial for trial in found.trials if trial.attack == "two"]
    assert [(trial.seed, len(trial.blocks)) for trial in one] == [(0, 1)]
    assert [trial.seed for trial in two] == [4, 4, 5, 5]
    assert len(two[0].points) == 2


def test_variants_of_several_seeds_meet_their_own(crossing):
    crossing["seeds"] = {"variants": [0, 1]}
    found = plan(Study.parse(crossing))
    seeds = {variant.key: variant.seed for variant in found.variants}
    assert len(transfers(found)) == 2 * 2 * 2
    assert all(seeds[trial.crafted_on] == seeds[trial.judged_on] for trial in transfers(found))


def test_more_targets_compute_no_key_anew(crossing):
    crossing["transfer"]["targets"] = ["base"]
    few = {trial.key for trial in plan(Study.parse(crossing)).trials}
    crossing["transfer"]["targets"] = "all"
    many = {trial.key for trial in plan(Study.parse(crossing)).trials}
    assert few < many


def test_a_report_keeps_white_box_and_transfer_apart(crossing, tmp_path):
    crossing["attacks"] = {}
    crossing["transfer"] |= {"sources": ["base"], "targets": ["pruned"]}
    run(Study.parse(crossing), out=tmp_path / "run", threads=1)
    evaluation = load(RunStore.open(tmp_path / "run"))
    assert evaluation.problems == ()
    (reading,) = evaluation.seed_means.filter(pl.col("attack") == "transfer").iter_rows(named=True)
    assert (reading["crafted_on"], reading["variant"]) == ("base", "pruned")


BAD = [
    ("transfer.sources", ["bse"], "transfer.sources: there is no 'bse'; did you mean 'base'?"),
    ("transfer.sources", [], "transfer.sources: at least one is needed; 'all' stands for every variant"),
    ("transfer.target", ["base"], "transfer.target: unknown key; did you mean 'targets'?"),
    ("transfer.attack.kind", "fgms", "transfer.attack.kind: unknown attack 'fgms'; did you mean 'fgsm'?"),
    ("transfer.attack.examples", 3, "transfer.attack.examples: unknown key"),
    (
        "transfer.attack.epsilon",
        [0.1],
        "transfer.attack.epsilon: a list; swept values stand under transfer.attack.sweep",
    ),
    ("transfer.examples", 0, "transfer.examples: expected at least 1, not 0"),
    ("transfer", {"white": {"attack": "deepfool"}}, "transfer.white: the name is taken by an attack"),
    ("transfer", {"clean": {"attack": "deepfool"}}, "transfer.clean: the name is taken by an attack"),
    ("transfer", {"one": {"sources": "all"}}, "transfer.one.attack: missing; accepted: fgsm"),
    ("transfer", 3, "transfer: expected a mapping, not 3"),
    ("transfer.view", "exct", "transfer.view: there is no 'exct'; did you mean 'exact'?"),
]


@pytest.mark.parametrize(("path", "value", "said"), BAD, ids=[said for _, _, said in BAD])
def test_bad_values_are_refused_with_their_place(crossing, path, value, said):
    with pytest.raises(ConfigurationError) as caught:
        Study.parse(changed(crossing, path, value))
    assert str(caught.value).startswith(said)


def test_more_examples_than_there_are_is_refused_at_planning(crossing):
    crossing["transfer"]["examples"] = 41
    with pytest.raises(ConfigurationError, match=r"transfer\.transfer\.examples: 41 asked for; data\.test has 40"):
        plan(Study.parse(crossing))


# Views


@pytest.fixture
def binary(tiny):
    tiny["variants"]["binary"] = {"from": "base", "compress": {"kind": "xnor_net", "train": {"epochs": 0}}}
    tiny["attacks"] = {"pgd": {"kind": "pgd", "epsilon": 0.1, "variants": ["binary"]}}
    return tiny


def test_a_view_is_chosen_for_an_attack_and_part_of_the_key(binary):
    by_default = plan(Study.parse(binary)).trials[-1]
    binary["attacks"]["pgd"]["view"] = "natural"
    natural = plan(Study.parse(binary)).trials[-1]
    binary["attacks"]["pgd"]["view"] = "surrogate:tanh"
    study = Study.parse(binary)
    assert Study.parse(study.config()) == study
    other = plan(study).trials[-1]
    assert (by_default.view, natural.view, other.view) == ("all", "straight_through", "surrogate:tanh")
    assert len({by_default.key, natural.key, other.key}) == 3
    binary["attacks"]["pgd"] = {"kind": "pgd", "epsilon": 0.1, "variants": ["binary"], "trace_every": 1}
    assert plan(Study.parse(binary)).trials[-1].view == "straight_through"
    binary["attacks"]["pgd"] = {"kind": "fgsm", "epsilon": 0.1, "variants": ["base", "binary"], "view": "natural"}
    assert [trial.view for trial in plan(Study.parse(binary)).trials[-2:]] == ["exact", "straight_through"]


def test_a_view_that_a_variant_does_not_have_is_refused(binary):
    binary["attacks"]["pgd"] |= {"view": "surrogate:tanh", "variants": ["base", "binary"]}
    with pytest.raises(
        ConfigurationError, match=r"attacks\.pgd\.view: base has no surrogate:tanh; accepted: exact, none"
    ):
        plan(Study.parse(binary))


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("attacks", {"pgd": {"kind": "pgd", "epsilon": 0.1, "variants": ["binary"], "view": "none"}}),
        ("transfer", {"attack": {"kind": "pgd", "epsilon": 0.1}, "sources": ["binary"], "view": "none"}),
    ],
    ids=["attacks", "transfer"],
)
def test_a_gradient_attack_without_a_gradient_is_refused_with_what_can_be_done(binary, section, entry):
    binary[section] = entry
    with pytest.raises(ConfigurationError) as caught:
        plan(Study.parse(binary))
    said = str(caught.value)
    for part in ("pgd needs a gradient and binary gives none", "local_search", "gen_attack", "view: straight_through"):
        assert part in said
    entry.get("attack", entry.get("pgd"))["kind"] = "gen_attack"
    plan(Study.parse(binary))
