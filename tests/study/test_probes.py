"""Probes in a study: planned for every variant, asked once, kept as records that a report reads."""

from __future__ import annotations

import pytest

from brinell.analysis import load
from brinell.attacks import PGD
from brinell.core import ConfigurationError, StudyPlan
from brinell.probes import Masking
from brinell.store import RunStore
from brinell.study import ProbeTask, Study, missing, plan, run, tasks
from brinell.study.tasks import probe as probe_module
from study.conftest import changed

EVERYTHING = {
    "masking": {"examples": 12, "epsilon": "16/255"},
    "corruptions": {"examples": 6, "corruptions": ["fog", "contrast"], "severities": [1, 5]},
    "activation_maps": {"examples": 10, "variants": ["base"]},
    "gallery": {"attack": "pgd", "examples": 3},
    "latency": {"batches": [1, 2], "runs": 5},
    "energy": {"examples": 20, "runs": 2},
}


@pytest.fixture
def asking(tiny):
    tiny["attacks"] = {"pgd": tiny["attacks"]["pgd"]}
    tiny["probes"] = EVERYTHING
    return tiny


def test_masking_is_asked_wherever_an_attack_needs_a_gradient(tiny):
    del tiny["probes"]
    study = Study.parse(tiny)
    assert list(study.probes) == ["masking"]
    assert study.probes["masking"].probe == Masking(epsilon=8 / 255)  # the middle of the radii 8/255 and 16/255
    assert Study.parse(study.config()) == study
    tiny["attacks"] = {"search": {"kind": "gen_attack", "epsilon": 0.1}}
    assert Study.parse(tiny).probes == {}
    tiny["transfer"] = {"attack": {"kind": "fgsm", "epsilon": 0.1}}
    assert Study.parse(tiny).probes["masking"].probe == Masking(epsilon=0.1)


def test_masking_may_be_left_out(tiny):
    tiny["probes"] = {"masking": False, "latency": True}
    study = Study.parse(tiny)
    assert list(study.probes) == ["latency"]
    assert Study.parse(study.config()) == study


def test_every_variant_is_asked_everything_once(asking):
    study = Study.parse(asking)
    assert Study.parse(study.config()) == study
    found = plan(study)
    names = {variant.key: variant.name for variant in found.variants}
    assert [(probe.kind, names[probe.variant]) for probe in found.probes] == [
        ("masking", "base"),
        ("masking", "pruned"),
        ("corruptions", "base"),
        ("corruptions", "pruned"),
        ("activation_maps", "base"),
        ("gallery", "base"),
        ("gallery", "pruned"),
        ("latency", "base"),
        ("latency", "pruned"),
        ("energy", "base"),
        ("energy", "pruned"),
    ]
    assert len({probe.key for probe in found.probes}) == 11
    assert StudyPlan.model_validate_json(found.model_dump_json()) == found


CHANGES = [
    ("epsilon", "probes.masking.epsilon", 0.1, {"masking"}),
    ("examples", "probes.masking.examples", 13, {"masking"}),
    ("runs", "probes.energy.runs", 3, {"energy"}),
    ("order of the test split", "data.test.seed", 5, {"masking", "corruptions", "activation_maps", "gallery"}),
    ("the gallery's attack", "attacks.pgd.epsilon", "15/255", {"gallery"}),
    ("seed", "seeds", {"attacks": [3]}, {"masking", "corruptions", "gallery"}),
    ("names", "name", "other", set()),
    ("more test examples", "data.test.examples", 60, set()),
]


@pytest.mark.parametrize(
    ("path", "value", "touched"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES]
)
def test_exactly_these_keys_depend_on(asking, path, value, touched):
    before, after = (plan(Study.parse(config)).probes for config in (asking, changed(asking, path, value)))
    differing = {one.kind for one, other in zip(before, after, strict=True) if one.key != other.key}
    assert differing == touched


def test_what_measures_the_machine_waits_for_everything_else(asking, tmp_path):
    everything = missing(tasks(plan(Study.parse(asking))), RunStore(tmp_path), 10)
    alone = [task for task in everything if task.exclusive]
    assert [task.probe.kind for task in alone] == ["latency", "latency", "energy", "energy"]
    others = {task.id for task in everything if not task.exclusive}
    assert set(alone[0].after_any) == others
    assert [task.after_any for task in alone[1:]] == [(task.id,) for task in alone[:-1]]


def test_a_run_answers_and_resumes_probe_by_probe(asking, tmp_path, monkeypatch):
    study = Study.parse(asking)
    result = run(study, out=tmp_path / "run", threads=1)
    assert {ending.status for ending in result.endings} == {"done"}
    kinds = [ending.task.probe.kind for ending in result.endings if isinstance(ending.task, ProbeTask)]
    assert kinds[-4:] == ["latency", "latency", "energy", "energy"]
    store = RunStore.open(tmp_path / "run")
    evaluation = load(store)
    assert evaluation.problems == ()
    found = evaluation.probes.by_kind
    assert {kind: len(found[kind]) for kind in EVERYTHING} == {
        "masking": 2,
        "corruptions": 2,
        "activation_maps": 1,
        "gallery": 2,
        "latency": 2,
        "energy": 2,
    }
    for verdict in found["masking"]:
        assert (verdict.record.examples, verdict.record.epsilon) == (12, 16 / 255)
        assert verdict.record.masked == any(item.suspicious for item in verdict.record.evidence)
    assert "transfer from the reference" in {item.check for item in found["masking"][1].record.evidence}
    assert "transfer from the reference" not in {item.check for item in found["masking"][0].record.evidence}
    assert found["gallery"][0].arrays()["adversarial"].shape == (3, 8, 8, 1)
    assert (found["gallery"][0].record.attack, found["gallery"][0].record.steps) == ("pgd", 3)
    record = found["corruptions"][0].record
    assert [(reading.corruption, reading.severity) for reading in record.readings] == [
        ("fog", 1),
        ("fog", 5),
        ("contrast", 1),
        ("contrast", 5),
    ]
    assert record.mean_accuracy == pytest.approx(sum(reading.accuracy for reading in record.readings) / 4)
    assert set(found["activation_maps"][0].arrays()) >= {"image", "map_0", "map_1", "map_5"}
    lost = store.plan().probes[4]
    before = {path: path.stat().st_mtime_ns for path in store.probe_path(lost.key).parent.iterdir()}
    store.probe_path(lost.key).unlink()
    (again,) = run(study, out=tmp_path / "run", threads=1).endings
    assert (again.task.id, again.status) == (lost.key, "done")
    for path, written in before.items():
        assert (path.stat().st_mtime_ns == written) == (path != store.probe_path(lost.key))


def test_a_probe_that_fails_stops_nobody(asking, tmp_path, monkeypatch):
    asking["probes"] = {"masking": False, "gallery": {"examples": 2}, "latency": {"runs": 1}}

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("brinell.probes.Gallery.ask", fail)
    result = run(Study.parse(asking), out=tmp_path / "run", threads=1)
    assert {ending.task.probe.kind for ending in result.ended("failed")} == {"gallery"}
    assert len([ending for ending in result.ended("done") if isinstance(ending.task, ProbeTask)]) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_processes_ask_as_well(asking, tmp_path):
    asking["probes"] = {"masking": False, "gallery": {"examples": 2}, "energy": {"examples": 5, "runs": 2}}
    asking["transfer"] = {"attack": {"kind": "fgsm", "epsilon": 0.1}}
    result = run(Study.parse(asking), out=tmp_path / "run", executor="processes", workers=2, threads=1)
    assert {ending.status for ending in result.endings} == {"done"}
    assert [ending.task.probe.kind for ending in result.endings[-2:]] == ["energy", "energy"]


def test_the_gallery_shows_the_first_attack_at_its_last_point(tiny):
    tiny["probes"] = {"gallery": {}}
    assert Study.parse(tiny).probes["gallery"].probe.attack.point.epsilon == 16 / 255
    tiny["probes"] = {"gallery": {"attack": {"kind": "pgd", "epsilon": 0.2}}}
    assert Study.parse(tiny).probes["gallery"].probe.attack == PGD(epsilon=0.2)


BAD = [
    ("probes.maskng", {}, "probes.maskng: unknown key; did you mean 'masking'?"),
    ("probes.masking.epsilon", 0, "probes.masking.epsilon: "),
    ("probes.masking.epsilo", 0.1, "probes.masking.epsilo: unknown key; did you mean 'epsilon'?"),
    ("probes.masking.variants", ["bse"], "probes.masking.variants: there is no 'bse'; did you mean 'base'?"),
    ("probes.masking", 3, "probes.masking: expected a mapping, not 3"),
    ("probes.masking.kind", "latency", "probes.masking.kind: there is no 'latency'; accepted: masking"),
    ("probes.gallery.attack", "pdg", "probes.gallery.attack: there is no 'pdg'; did you mean 'pgd'?"),
    ("probes.corruptions.severities", [6], "probes.corruptions.severities.0: "),
    (
        "probes.corruptions.corruptions",
        ["fogg"],
        "probes.corruptions.corruptions: there is no 'fogg'; did you mean 'fog'?",
    ),
    ("probes.latency.runs", 0, "probes.latency.runs: "),
    ("probes", [1], "probes: expected a mapping"),
]


@pytest.mark.parametrize(("path", "value", "said"), BAD, ids=[said for _, _, said in BAD])
def test_bad_values_are_refused_with_their_place(asking, path, value, said):
    with pytest.raises(ConfigurationError) as caught:
        Study.parse(changed(asking, path, value))
    assert str(caught.value).startswith(said)


def test_a_gallery_without_attacks_is_refused(asking):
    asking |= {"attacks": {}, "probes": {"gallery": {}}}
    with pytest.raises(ConfigurationError, match=r"probes\.gallery\.attack: missing; the study has no attack to show"):
        Study.parse(asking)


def test_weights_are_counted_at_their_nominal_width_where_that_is_known(asking, tmp_path, monkeypatch):
    asking["probes"] = {"masking": False, "energy": {"examples": 2, "runs": 2}}
    asking["attacks"] = {}
    seen = []
    monkeypatch.setattr(RunStore, "costs", lambda self, key: {"nominal_bytes": 1234, "dense_bytes": 1})
    original = probe_module.ProbeInput

    def kept(**fields: object) -> object:
        seen.append(fields["weight_bytes"])
        return original(**fields)

    monkeypatch.setattr(probe_module, "ProbeInput", kept)
    run(Study.parse(asking), out=tmp_path / "run", threads=1)
    assert seen == [1234, 1234]
