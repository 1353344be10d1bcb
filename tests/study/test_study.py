from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from brinell.core import ConfigurationError, Point
from brinell.models import MODELS
from brinell.study import Splits, Study, shipped
from brinell.study.reading import LIBRARY
from study.conftest import REMOVE, changed

BAD = [
    ("atacks", {}, "atacks: unknown key; did you mean 'attacks'?"),
    ("data", REMOVE, "data: missing"),
    ("models", {}, "models: at least one is needed"),
    ("variants", [], "variants: expected a mapping"),
    ("name", "a/b", "name: a name has letters"),
    ("block", 0, "block: expected at least 1, not 0"),
    ("seeds.atacks", [1], "seeds.atacks: unknown key; did you mean 'attacks'?"),
    ("seeds.attacks", "x", "seeds.attacks: "),
    ("data.kind", "digit", "data.kind: unknown data set 'digit'; did you mean 'digits'? accepted: digits, cifar10"),
    ("data.rot", "x", "data.rot: unknown key; "),
    ("data.test.examples", 0, "data.test.examples: "),
    ("data.test.split", "train", "data.test.split: 'train' is what variants are trained on"),
    ("data.train.hold", 1, "data.train.hold: unknown key; did you mean 'holdout'?"),
    ("models.small.kind", "resnet9", "models.small.kind: unknown model 'resnet9'; did you mean"),
    ("models.small.widht", 3, "models.small.widht: unknown key; did you mean 'width'?"),
    ("models.small.width", 0, "models.small.width: "),
    ("models.small.weights", "gone.th", "models.small.weights: no file at gone.th"),
    ("models.small", {"width": 2}, "models.small.kind: missing; accepted: resnet8"),
    ("models.a b", {"kind": "resnet8"}, "models: a name has letters"),
    ("variants.base.model", "smal", "variants.base.model: there is no 'smal'; did you mean 'small'?"),
    ("variants.base.train", REMOVE, "variants.base: it would be random"),
    ("variants.base.train.epoch", 1, "variants.base.train.epoch: unknown key; did you mean 'epochs'?"),
    ("variants.base.train.learning_rate", "fast", "variants.base.train.learning_rate: expected a number or a ratio"),
    ("variants.base.compress", {"kind": "prune"}, "variants.base.compress: only a variant is compressed"),
    ("variants.pruned.model", "small", "variants.pruned: expected either {model, train} or {from, compress}"),
    ("variants.pruned.from", "bse", "variants.pruned.from: there is no 'bse'; did you mean 'base'?"),
    ("variants.pruned.compress", REMOVE, "variants.pruned.compress: missing; accepted: "),
    ("variants.pruned.train", {}, "variants.pruned.train: a compressor trains by its own settings"),
    ("variants.pruned.compress.kind", "prun", "variants.pruned.compress.kind: unknown compressor 'prun'; did you mean"),
    ("variants.pruned.compress.granlarity", 1, "variants.pruned.compress.granlarity: unknown key; did you mean"),
    ("variants.pruned.compress.train.epochs", -1, "variants.pruned.compress.train.epochs: "),
    ("variants.pruned.from", "pruned", "in a circle: pruned -> pruned"),
    ("variants.pruned.baseline", "bse", "variants.pruned.baseline: there is no 'bse'; did you mean 'base'?"),
    ("variants.pruned.baseline", 3, "variants.pruned.baseline: "),
    ("attacks.fgsm.kind", "fsgm", "attacks.fgsm.kind: unknown attack 'fsgm'; did you mean 'fgsm'?"),
    ("attacks.fgsm.epsilon", 0.1, "attacks.fgsm.epsilon: it is swept too"),
    ("attacks.fgsm.sweep.epsilon", [0.1, -0.1], "attacks.fgsm.sweep.epsilon: "),
    ("attacks.fgsm.sweep.epsilon", ["8/0"], "attacks.fgsm.sweep.epsilon: expected a number or a ratio"),
    ("attacks.fgsm.sweep.epsilon", 0.1, "attacks.fgsm.sweep.epsilon: expected a list of values, not 0.1"),
    ("attacks.fgsm.sweep.epsilon", [], "attacks.fgsm.sweep.epsilon: expected a list of values"),
    ("attacks.fgsm.sweep.steps", [1], "attacks.fgsm.sweep.steps: unknown key; accepted: epsilon"),
    ("attacks.fgsm.stps", 1, "attacks.fgsm.stps: unknown key; "),
    ("attacks.fgsm.trace_every", 1, "attacks.fgsm.trace_every: fgsm has no steps to trace"),
    ("attacks.pgd.epsilon", -1, "attacks.pgd.epsilon: "),
    (
        "attacks.pgd.epsilon",
        [0.1, 0.2],
        "attacks.pgd.epsilon: a list; swept values stand under attacks.pgd.sweep.epsilon",
    ),
    ("attacks.pgd.epsilon", REMOVE, "attacks.pgd.epsilon: missing"),
    ("attacks.pgd.variants", ["bse"], "attacks.pgd.variants: there is no 'bse'; did you mean 'base'?"),
    ("attacks.pgd.examples", 0, "attacks.pgd.examples: expected at least 1"),
    ("attacks.pgd.seeds", "many", "attacks.pgd.seeds: "),
    ("attacks.clean", {"kind": "fgsm", "epsilon": 0.1}, "attacks.clean: the name is taken"),
]


@pytest.mark.parametrize(("path", "value", "said"), BAD, ids=[f"{path}={value!r}"[:60] for path, value, _ in BAD])
def test_every_mistake_is_refused_with_its_place(tiny, path, value, said):
    with pytest.raises(ConfigurationError) as caught:
        Study.parse(changed(tiny, path, value))
    assert said in str(caught.value)


MANY = """
name: a/b
data: {kind: digits, test: {examples: true, split: train}}
models:
  small: {kind: resnet8, widht: 2}
  free: {kind: resnet8}
variants:
  base: {model: smal, train: {epochs: -1}}
  wild: {model: free}
  a: {from: b, compress: {kind: inq}}
  b: {from: a, compress: nothing, baseline: bse}
attacks:
  clean: {kind: fgsm, sweep: {epsilon: [0.1, -0.1], steps: [1]}}
  fgsm: {kind: fgsm, epsilon: 0.1, trace_every: 1}
  pgd: {kind: pgd, epsilon: 0.1, exampels: 3, seeds: [], variants: [bse]}
transfer: {attack: {kind: fgsm, epsilon: 2}, sources: [x], targets: []}
probes: {maskng: true, latency: {runs: 0}, gallery: {attack: pdg}}
seeds: {variants: [], attacks: [9223372036854775808]}
block: 0
paper: {kind: breakingbed, rows: {base: resnet20/vanila, nobody: resnet20/xnor}}
colour: red
"""
PLACES = """name data.test.examples models.small.widht variants.base.model variants.base.train.epochs
variants.b.compress.kind variants.b.baseline attacks.clean.sweep.epsilon attacks.clean.sweep.steps
attacks.fgsm.trace_every attacks.pgd.exampels attacks.pgd.variants attacks.pgd.seeds transfer.attack transfer.sources
transfer.targets probes.maskng probes.gallery.attack probes.latency.runs seeds.variants seeds.attacks.0 block
paper.rows.base paper.rows colour attacks.clean variants.a.from variants.wild"""


def test_every_problem_of_a_file_is_reported_at_once(tmp_path):
    file = tmp_path / "many.yaml"
    file.write_text(MANY)
    with pytest.raises(ConfigurationError) as caught:
        Study.from_yaml(file)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    places = [line.removeprefix(f"{file}: ").partition(":")[0] for line in lines]
    assert sorted(places) == sorted(PLACES.split())


def test_what_another_error_hides_no_longer_is_reported_by_itself(tiny):
    """The split is wrong too in the file above, but its section is not valid there for another reason."""
    with pytest.raises(ConfigurationError, match=r"^data\.test\.split: 'train' is what variants are trained on"):
        Study.parse(changed(tiny, "data.test", {"split": "train"}))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("data.test.examples", True, "data.test.examples: expected an integer, not True"),
        ("block", True, "block: expected an integer, not True"),
        ("models.small.width", False, "models.small.width: expected an integer, not False"),
        ("attacks.pgd.sweep.steps", [True], "attacks.pgd.sweep.steps: expected a list of values, not [True]"),
        ("variants.base.train.epochs", True, "variants.base.train.epochs: expected an integer, not True"),
        ("seeds", {"attacks": []}, "seeds.attacks: at least one is needed"),
        ("seeds", {"variants": []}, "seeds.variants: at least one is needed"),
        ("seeds", {"variants": [2**63]}, "seeds.variants.0: input should be less than 9223372036854775808"),
        ("attacks.pgd.seeds", [-(2**63) - 1], "attacks.pgd.seeds.0: input should be greater than or equal to -922337"),
        ("data.test.seed", 2**63, "data.test.seed: input should be less than 9223372036854775808"),
    ],
)
def test_a_boolean_is_no_number_and_seeds_have_64_bits(tiny, path, value, said):
    with pytest.raises(ConfigurationError) as caught:
        Study.parse(changed(tiny, path, value))
    assert str(caught.value).startswith(said)


def test_kinds_are_those_that_are_registered_when_a_file_is_read(tiny, monkeypatch):
    class Late(MODELS["resnet8"]):
        kind = "late"

    late = changed(tiny, "models.small", {"kind": "late"})
    with pytest.raises(ConfigurationError, match=r"models\.small\.kind: unknown model 'late'"):
        Study.parse(late)
    monkeypatch.setitem(MODELS._members, "late", Late)
    assert type(Study.parse(late).models["small"].architecture) is Late


def test_a_baseline_has_none_itself_and_is_written_back(tiny):
    prune = {"kind": "prune"}
    tiny["variants"] |= {"more": {"from": "pruned", "compress": prune, "baseline": "pruned"}}
    study = Study.parse(tiny)
    assert Study.parse(study.config()) == study
    assert study.config()["variants"]["more"]["baseline"] == "pruned"
    tiny["variants"]["pruned"]["baseline"] = "pruned"
    Study.parse(tiny)
    tiny["variants"]["pruned"]["baseline"] = "base"
    with pytest.raises(ConfigurationError, match=r"variants\.more\.baseline: 'pruned' has a baseline itself: 'base'"):
        Study.parse(tiny)


def test_a_longer_circle_is_shown_whole(tiny):
    prune = {"kind": "prune"}
    tiny["variants"] |= {"a": {"from": "c", "compress": prune}, "b": {"from": "a", "compress": prune}}
    tiny["variants"]["c"] = {"from": "b", "compress": prune}
    with pytest.raises(ConfigurationError, match="in a circle: a -> c -> b -> a"):
        Study.parse(tiny)


def test_the_file_is_named_and_overrides_are_applied_and_kept(tmp_path, tiny):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(tiny))
    study = Study.from_yaml(file, ["attacks.pgd.epsilon=8/255", "models.small.width=4"])
    assert study.attacks["pgd"].attack.epsilon == 8 / 255
    assert study.models["small"].architecture.width == 4
    assert "--set attacks.pgd.epsilon=8/255" in study.source
    assert yaml.safe_load(study.source) == tiny
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: attacks\.pgd\.stepsize: unknown key; did you mean"):
        Study.from_yaml(file, ["attacks.pgd.stepsize=1"])


def test_a_sweep_is_every_combination_in_order(tiny):
    tiny["attacks"]["pgd"] = {"kind": "pgd", "sweep": {"steps": [3, 1], "epsilon": ["2/255", "1/255"]}}
    points = Study.parse(tiny).attacks["pgd"].points
    assert points == (Point(1 / 255, 1), Point(2 / 255, 1), Point(1 / 255, 3), Point(2 / 255, 3)) or points == (
        Point(1 / 255, 1),
        Point(1 / 255, 3),
        Point(2 / 255, 1),
        Point(2 / 255, 3),
    )


def test_the_holdout_is_every_training_s_own_unless_it_says_otherwise(tiny):
    tiny["variants"]["base"]["train"]["holdout"] = 5
    study = Study.parse(tiny)
    assert study.variants["base"].train.holdout == 5
    assert study.variants["pruned"].compressor.train.holdout == 97


def test_config_reads_back_into_an_equal_study(tiny, tmp_path):
    torch.save({}, tmp_path / "weights.th")
    tiny["models"]["loaded"] = {"kind": "resnet8", "weights": str(tmp_path / "weights.th")}
    tiny["attacks"]["pgd"] |= {"seeds": [1, 2], "examples": 10, "variants": ["base"], "trace_every": 1}
    study = Study.parse(tiny)
    assert Study.parse(study.config()) == study


@pytest.mark.parametrize("name", shipped())
def test_shipped_studies_are_accepted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the files of weights lie that they name
    models = yaml.safe_load((LIBRARY / f"{name}.yaml").read_text())["models"]
    for file in (model["weights"] for model in models.values() if "weights" in model):
        Path(file).touch()
    Study.from_yaml(name)


def test_training_on_part_of_a_split(tiny):
    tiny["data"]["train"] |= {"examples": 200, "seed": 3}
    study = Study.parse(tiny)
    assert Study.parse(study.config()) == study
    part = Splits(study.data).train
    whole = study.data.source.load("train")
    assert len(part) == 200
    assert part.fingerprint != whole.fingerprint
    other = Study.parse(changed(tiny, "data.train.seed", 4))
    assert Splits(other.data).train.fingerprint != part.fingerprint
    assert "examples" not in Study.parse(changed(tiny, "data.train", {"holdout": 97})).config()["data"]["train"]
    with pytest.raises(ConfigurationError, match=r"data\.train\.examples: 9999 asked for; digits/train has 1 to 1297"):
        _ = Splits(Study.parse(changed(tiny, "data.train.examples", 9999)).data).train
