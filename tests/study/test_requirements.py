"""`requirements` of a study: what is refused before anything is computed, and what stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from brinell.core import ConfigurationError
from brinell.study import Study, plan


def test_they_are_kept_and_change_no_key(tiny: dict[str, Any]) -> None:
    texts = ["clean_accuracy >= -0.01", "worst_case within 16/255 of pruned >= 0.1"]
    study = Study.parse({**tiny, "requirements": texts})
    assert study.config()["requirements"] == texts
    assert Study.parse(study.config()) == study
    planned, before = plan(study), plan(Study.parse(tiny))
    assert planned.requirements == tuple(texts)
    assert (planned.variants, planned.trials, planned.probes) == (before.variants, before.trials, before.probes)
    assert "requirements" not in Study.parse(tiny).config()


def test_one_condition_needs_no_list(tiny: dict[str, Any]) -> None:
    assert Study.parse({**tiny, "requirements": "clean_accuracy >= 0.5"}).requirements == ("clean_accuracy >= 0.5",)
    assert Study.parse({**tiny, "requirements": None}).requirements == ()


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["clean_acuracy >= 0.9"], "requirements.0: .*did you mean clean_accuracy"),
        (["clean_accuracy of nobody >= 0.9"], "there is no variant 'nobody'; accepted: base, pruned"),
        (["clean_accuracy of base >= -0.1"], "none of these variants has one"),
        (["worst_case within 2/255 >= 0.1"], "read at 2/255; radii that are: 8/255, 16/255"),
        (["worst_case within 0.5 l2 >= 0.1"], "read at 0.5 l2; radii that are"),
        (["robust_accuracy under bim >= 0.1"], "no attack 'bim' is run on pruned; attacks: fgsm, pgd"),
        (["robust_accuracy under pgd within 8/255 >= 0.1"], "radii that are: 16/255"),
        (["latency_ms <= 3"], "nobody measures latency_ms of pruned; it takes probes: {latency: true}"),
        (["energy_joules <= -5%"], "nobody measures energy_joules of pruned; it takes probes: {energy: true}"),
        (["latency_ms on openvino <= 3"], "nobody measures latency_ms of pruned"),
        (["corruption_accuracy >= 0.3"], "it takes probes: {corruptions: true}"),
        ([3], "requirements.0: expected a condition"),
        ({"clean": 0.9}, "requirements: expected a list of conditions"),
    ],
)
def test_a_condition_that_is_never_decided_is_refused(tiny: dict[str, Any], texts: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Study.parse({**tiny, "requirements": texts})


def test_the_baseline_has_to_be_attacked_as_well(tiny: dict[str, Any]) -> None:
    tiny["attacks"] = {"fgsm": {"kind": "fgsm", "epsilon": 8 / 255, "variants": ["pruned"]}}
    assert Study.parse({**tiny, "requirements": ["worst_case within 8/255 >= 0.1"]})
    with pytest.raises(ConfigurationError, match="no attack is run on base"):
        Study.parse({**tiny, "requirements": ["worst_case within 8/255 >= -0.1"]})


def test_probes_and_transfers_count_as_measured(tiny: dict[str, Any]) -> None:
    tiny["probes"]["latency"] = True
    tiny["transfer"] = {"attack": {"kind": "fgsm", "epsilon": 4 / 255}, "sources": "all", "targets": "all"}
    texts = ["latency_ms <= +10%", "worst_case within 4/255 >= 0.1"]
    assert Study.parse({**tiny, "requirements": texts}).requirements == tuple(texts)


def test_other_problems_are_reported_with_it(tiny: dict[str, Any]) -> None:
    tiny["attacks"]["pgd"]["epsilon"] = "wide"
    with pytest.raises(ConfigurationError) as error:
        Study.parse({**tiny, "requirements": ["beauty >= 1"]})
    assert "attacks.pgd.epsilon" in str(error.value)
    assert "requirements.0: 'beauty >= 1': 'beauty' is no metric" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency_ms on tensorflow <= 3", "there is no runtime 'tensorflow'; accepted: reference"),
        ("energy_joules on sparse <= 3", "measured in the study's runtime alone, 'reference'"),
        ("corruption_accuracy under fogg >= 0.3", "no corruption 'fogg'; did you mean 'fog'"),
    ],
)
def test_a_probe_that_does_not_hold_the_answer_is_refused(tiny: dict[str, Any], text: str, words: str) -> None:
    tiny["probes"] = {"latency": True, "energy": True, "corruptions": {"corruptions": ["fog", "snow"]}}
    known = ["latency_ms on reference <= 3", "corruption_accuracy under fog >= 0.3"]
    assert Study.parse({**tiny, "requirements": known})
    with pytest.raises(ConfigurationError, match=words):
        Study.parse({**tiny, "requirements": [text]})
