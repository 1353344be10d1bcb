from __future__ import annotations

import shutil

import pytest
import torch
import yaml

from brinell.core import ConfigurationError, DataError, ModelError, StudyPlan
from brinell.models import build
from brinell.study import Splits, Study, plan, tasks
from brinell.study.tasks.variant import variant_passes


def keys(found: StudyPlan) -> dict[str, str]:
    """Every key by what it is of."""
    variants = {variant.key: f"{variant.name}/{variant.seed}" for variant in found.variants}
    return {
        **{name: key for key, name in variants.items()},
        **{f"{variants[trial.judged_on]}/{trial.attack}/{trial.seed}": trial.key for trial in found.trials},
    }


def plan_of(config) -> StudyPlan:
    return plan(Study.parse(config))


@pytest.fixture
def loaded(tiny, tmp_path):
    """A study whose baseline is a file of weights."""
    torch.save(build("resnet8", width=2).state_dict(), tmp_path / "weights.th")
    tiny["models"]["small"]["weights"] = str(tmp_path / "weights.th")
    del tiny["variants"]["base"]["train"]
    return tiny


def test_plan_is_pure(tiny):
    study = Study.parse(tiny)
    assert plan(study) == plan(study) == plan(Study.parse(tiny), Splits(study.data))
    assert StudyPlan.model_validate_json(plan(study).model_dump_json()) == plan(study)


def test_plan_holds_every_variant_and_trial_once(tiny):
    tiny["seeds"] = {"variants": [0, 7], "attacks": [0, 1, 1]}
    found = plan_of(tiny)
    names = [(variant.name, variant.seed) for variant in found.variants]
    assert names == [("base", 0), ("base", 7), ("pruned", 0), ("pruned", 7)]
    by_key = {variant.key: variant for variant in found.variants}
    for variant in found.variants:
        if variant.name == "pruned":
            parent = by_key[variant.parent]
            assert (parent.name, parent.seed) == ("base", variant.seed)
            assert variant.baseline == parent.key
    attacks = [(trial.attack, trial.seed) for trial in found.trials if trial.judged_on == found.variants[0].key]
    assert attacks == [("clean", 0), ("fgsm", 0), ("pgd", 0), ("pgd", 1)]
    assert len({trial.key for trial in found.trials}) == len(found.trials) == 16


def test_a_variant_may_be_compared_with_another_than_its_root(tiny):
    tiny["seeds"] = {"variants": [0, 7]}
    fine_tune = {"kind": "fine_tune", "train": {"epochs": 1}}
    tiny["variants"] |= {"tuned": {"from": "base", "compress": fine_tune}}
    tiny["variants"] |= {"small": {"from": "pruned", "compress": {"kind": "inq"}}}
    before = {variant.key for variant in plan_of(tiny).variants}
    tiny["variants"]["pruned"]["baseline"] = "tuned"
    found = plan_of(tiny)
    assert {variant.key for variant in found.variants} == before  # it decides nothing that is computed
    by_key = {variant.key: variant for variant in found.variants}
    compared = {variant.name: by_key[variant.baseline].name for variant in found.variants}
    assert compared == {"base": "base", "pruned": "tuned", "tuned": "tuned", "small": "tuned"}
    assert all(by_key[variant.baseline].seed == variant.seed for variant in found.variants)


def test_weights_as_they_are_need_one_seed(loaded):
    loaded["seeds"] = {"variants": [0, 1]}
    assert [(variant.name, variant.seed) for variant in plan_of(loaded).variants] == [
        ("base", 0),
        ("pruned", 0),
        ("pruned", 1),
    ]


def test_an_attack_may_be_narrowed(tiny):
    tiny["seeds"] = {"attacks": [0, 1]}
    tiny["attacks"]["pgd"] |= {"variants": ["pruned"], "seeds": [5], "examples": 30}
    found = plan_of(tiny)
    (trial,) = [trial for trial in found.trials if trial.attack == "pgd"]
    assert trial.seed == 5
    assert [(block.start, block.stop) for block in trial.blocks] == [(0, 20), (20, 30)]
    clean = next(trial for trial in found.trials if trial.kind == "clean")
    assert trial.blocks[0] == clean.blocks[0]
    assert trial.blocks[1].name != clean.blocks[1].name


CHANGES_NOTHING = [
    ("name", lambda config: config.update(name="other")),
    ("names", lambda config: config["attacks"].update(other=config["attacks"].pop("fgsm"))),
    ("order of a sweep", lambda config: config["attacks"]["fgsm"]["sweep"]["epsilon"].reverse()),
    ("spelling of a number", lambda config: config["attacks"]["pgd"].update(epsilon=16 / 255)),
    ("a default spelt out", lambda config: config["attacks"]["pgd"].update(restarts=1)),
    ("test examples", lambda config: config["data"]["test"].update(examples=60)),
    ("seed of the test order", lambda config: config["data"]["test"].update(seed=3)),
    ("block", lambda config: config.update(block=10)),
]


@pytest.mark.parametrize(("what", "change"), CHANGES_NOTHING, ids=[what for what, _ in CHANGES_NOTHING])
def test_no_key_depends_on(tiny, what, change):
    before = set(keys(plan_of(tiny)).values())
    change(tiny)
    assert set(keys(plan_of(tiny)).values()) == before


CHANGES = [
    ("epsilon", lambda c: c["attacks"]["pgd"].update(epsilon="15/255"), {"pgd"}),
    ("step size", lambda c: c["attacks"]["pgd"].update(step_size=0.01), {"pgd"}),
    ("a point more", lambda c: c["attacks"]["pgd"]["sweep"]["steps"].append(4), {"pgd"}),
    ("traces", lambda c: c["attacks"]["pgd"].update(trace_every=1), {"pgd"}),
    ("attack seed", lambda c: c.update(seeds={"attacks": [9]}), {"pgd"}),
    ("compressor", lambda c: c["variants"]["pruned"]["compress"].update(train={"epochs": 2}), {"pruned"}),
    ("training", lambda c: c["variants"]["base"]["train"].update(batch_size=64), {"base", "pruned"}),
    ("holdout", lambda c: c["data"]["train"].update(holdout=96), {"base", "pruned"}),
    ("width", lambda c: c["models"]["small"].update(width=4), {"base", "pruned"}),
    ("variant seed", lambda c: c.update(seeds={"variants": [9]}), {"base", "pruned"}),
]


@pytest.mark.parametrize(("what", "change", "touched"), CHANGES, ids=[what for what, _, _ in CHANGES])
def test_exactly_these_keys_depend_on(tiny, what, change, touched):
    def relevant(found):
        return {name.replace("/9", "/0"): key for name, key in keys(found).items()}

    before = relevant(plan_of(tiny))
    change(tiny)
    after = relevant(plan_of(tiny))
    assert after.keys() == before.keys()
    differing = {name for name in before if before[name] != after[name]}
    assert differing == {name for name in before if set(name.split("/")) & touched}


def test_keys_know_weights_and_not_paths(loaded, tmp_path):
    before = keys(plan_of(loaded))
    shutil.copy(tmp_path / "weights.th", tmp_path / "elsewhere.th")
    loaded["models"]["small"]["weights"] = str(tmp_path / "elsewhere.th")
    assert keys(plan_of(loaded)) == before
    changed = build("resnet8", width=2).state_dict()
    changed["model.linear.bias"] += 1
    torch.save(changed, tmp_path / "elsewhere.th")
    assert not set(keys(plan_of(loaded)).values()) & set(before.values())


def test_more_examples_begin_with_the_same_blocks(tiny):
    few = plan_of(tiny)
    tiny["data"]["test"]["examples"] = 80
    many = plan_of(tiny)
    for less, more in zip(few.trials, many.trials, strict=True):
        assert less.key == more.key
        assert more.blocks[:2] == less.blocks
        assert len(more.blocks) == 4


def test_a_block_is_named_after_its_examples(tiny):
    before = plan_of(tiny).trials[0].blocks
    tiny["data"]["test"]["seed"] = 1
    after = plan_of(tiny).trials[0].blocks
    assert not {block.name for block in before} & {block.name for block in after}


def test_two_names_for_one_variant_are_refused(tiny):
    tiny["variants"]["again"] = tiny["variants"]["pruned"]
    with pytest.raises(ConfigurationError, match=r"variants\.again: the same as variants\.pruned"):
        plan_of(tiny)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda c: c["models"]["small"].update(classes=9), ConfigurationError, "models.small.classes: expected 10"),
        (
            lambda c: c["models"]["small"].update(in_channels=3, mean=[0] * 3, std=[1] * 3),
            ConfigurationError,
            "models.small.in_channels: expected 1",
        ),
        (lambda c: c["data"]["test"].update(examples=501), ConfigurationError, "data.test.examples: 501 asked for"),
        (lambda c: c["data"]["test"].update(split="tset"), ConfigurationError, "data.test.split: unknown split 'tset'"),
        (lambda c: c["attacks"]["pgd"].update(examples=41), ConfigurationError, "attacks.pgd.examples: 41 asked for"),
        (lambda c: c.update(data={"kind": "cifar10"}), DataError, "data.root: missing"),
        (lambda c: c.update(data={"kind": "cifar10", "root": "gone"}), DataError, "data.root: no folder at gone"),
    ],
)
def test_what_only_the_files_show_is_refused_too(tiny, change, error, said):
    change(tiny)
    with pytest.raises(error) as caught:
        plan_of(tiny)
    assert str(caught.value).startswith(said)


def test_a_checkpoint_of_another_architecture_is_refused(loaded):
    loaded["models"]["small"]["width"] = 4
    with pytest.raises(ModelError, match=r"models\.small\.weights: .* is a checkpoint of another architecture"):
        plan_of(loaded)


def test_a_students_checkpoint_is_read_before_anything_is_trained(tiny, tmp_path):
    torch.save(build("resnet8", width=2).state_dict(), tmp_path / "weights.th")
    compress = {
        "kind": "distill",
        "student": {"kind": "resnet8", "width": 3},
        "student_weights": str(tmp_path / "weights.th"),
    }
    tiny["variants"]["taught"] = {"from": "base", "compress": compress}
    with pytest.raises(ModelError, match=r"variants\.taught\.compress\.student_weights: .* is a checkpoint of another"):
        plan_of(tiny)


def test_planning_writes_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tiny))
    plan(Study.from_yaml("study.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_passes_of_inq_count_every_step(tiny):
    """Four shares by default for 5 bits: four times the epochs, three passes a step of training."""
    tiny["data"]["train"] = {"holdout": 0}
    train = {"epochs": 3}
    tiny["variants"]["inq"] = {"from": "base", "compress": {"kind": "inq", "weight_bits": 5, "train": train}}
    made = {task.label: task.passes for task in tasks(plan_of(tiny), training_examples=100) if task.kind == "making"}
    assert made == {"base": 1 * 100 * 3, "pruned": 1 * 100 * 3, "inq": 4 * 3 * 100 * 3}


def test_what_is_held_out_is_classified_and_not_learnt_from(tiny):
    planned = {variant.name: variant for variant in plan_of(tiny).variants}
    assert variant_passes(planned["base"], 1297) == 3 * (1297 - 97) + 97


def test_adversarial_examples_are_passes_too(tiny):
    tiny["data"]["train"] = {"holdout": 0}
    train = {"epochs": 2, "adversarial": {"fraction": 0.5, "steps": 4}}
    tiny["variants"]["plain"] = {"from": "base", "compress": {"kind": "fine_tune", "train": {"epochs": 2}}}
    tiny["variants"]["hard"] = {"from": "base", "compress": {"kind": "fine_tune", "train": train}}
    planned = {variant.name: variant for variant in plan_of(tiny).variants}
    assert variant_passes(planned["hard"], 100) == 3 * variant_passes(planned["plain"], 100) == 3 * 600


@pytest.mark.parametrize(
    ("compress", "message"),
    [
        (
            {"kind": "prune", "granularity": "channel", "budget": {"macs": 0.001}},
            r"variants\.pruned\.compress\.budget\.macs: 0\.001 cannot be met: the smallest possible is 0\.\d+",
        ),
        (
            {"kind": "prune", "rates": {"model.layer9": 0.5}},
            r"variants\.pruned\.compress\.rates: 'model\.layer9' is no layer that is pruned here",
        ),
        (
            {"kind": "prune", "budget": {"sparsity": 0.9}, "rates": {"model.linear": 0.5, "model.layer3.0.conv2": 1}},
            r"variants\.pruned\.compress\.rates: the shares given keep [\d.]+ times what the budget allows",
        ),
        (
            {"kind": "deep_compression", "budget": {"sparsity": 0.9999}},
            r"variants\.pruned\.compress\.budget\.sparsity: 0\.9999 cannot be met: the largest possible",
        ),
        (
            {"kind": "dns", "sparsity": {"model.layer9": 0.5}},
            r"variants\.pruned\.compress\.sparsity\.model\.layer9: no such layer",
        ),
        (
            {"kind": "robust_compression", "sparsity": {"model.layer9": 0.5}},
            r"variants\.pruned\.compress\.sparsity\.model\.layer9: no such layer",
        ),
        (
            {"kind": "xnor_net", "float_layers": ["model.layer9"]},
            r"variants\.pruned\.compress\.float_layers: 'model\.layer9' is not a convolution",
        ),
        (
            {"kind": "abc_net", "float_layers": ["model.layer9"]},
            r"variants\.pruned\.compress\.float_layers: 'model\.layer9' is not a convolution",
        ),
        (
            {"kind": "distill", "student": {"kind": "resnet20", "classes": 7}, "temperature": 4},
            r"variants\.pruned\.compress\.student: it has 7 classes; the teacher has 10",
        ),
    ],
)
def test_what_a_network_cannot_become_is_refused_before_anything_trains(tiny, compress, message):
    tiny["variants"]["pruned"]["compress"] = compress
    with pytest.raises((ConfigurationError, ModelError), match=message):
        plan_of(tiny)


def test_the_plan_says_in_which_norm_an_attack_measures(tiny):
    """C&W has no setting for it: it minimises the L2 distance. The norm is no part of a key."""
    tiny["attacks"] = {
        "cw": {"kind": "carlini_wagner", "steps": 2},
        "deepfool": {"kind": "deepfool", "norm": "linf"},
        "fgsm": {"kind": "fgsm", "epsilon": 0.1},
        "far": {"kind": "pgd", "epsilon": 1.5, "norm": "l2"},
    }
    norms = {trial.attack: trial.norm for trial in plan_of(tiny).trials}
    assert norms == {"clean": "linf", "cw": "l2", "deepfool": "linf", "fgsm": "linf", "far": "l2"}
