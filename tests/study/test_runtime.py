"""The runtime that a study names: it judges, attacks through scores ask it, and rows and keys name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from brinell.core import ConfigurationError
from brinell.study import Study, plan, run
from study.conftest import changed


def test_it_is_in_the_keys_of_trials_and_probes_only(tiny: dict[str, Any]) -> None:
    reference, compiled = (plan(Study.parse({**tiny, **more})) for more in ({}, {"runtime": "openvino"}))
    assert [variant.key for variant in reference.variants] == [variant.key for variant in compiled.variants]
    assert {trial.runtime for trial in compiled.trials} == {"openvino"}
    assert not {trial.key for trial in reference.trials} & {trial.key for trial in compiled.trials}
    named = plan(Study.parse({**tiny, "runtime": "reference"}))
    assert [trial.key for trial in named.trials] == [trial.key for trial in reference.trials]
    assert Study.parse(Study.parse({**tiny, "runtime": "openvino"}).config()).runtime == "openvino"
    probing = changed(tiny, "probes", {"masking": False, "energy": True})
    keys = {plan(Study.parse({**probing, **more})).probes[0].key for more in ({}, {"runtime": "openvino"})}
    assert len(keys) == 2


def test_unknown_runtimes_and_auto_are_refused(tiny: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="runtime: unknown runtime 'openvno'; did you mean 'openvino'"):
        Study.parse({**tiny, "runtime": "openvno"})
    with pytest.raises(ConfigurationError, match="runtime: which one 'auto' takes depends on the machine"):
        Study.parse({**tiny, "runtime": "auto"})


def test_it_judges_and_is_asked_by_attacks_through_scores(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = torch.zeros(1)
    from brinell.runtimes import CompiledNetwork

    forward = CompiledNetwork.forward
    monkeypatch.setattr(
        CompiledNetwork, "forward", lambda self, images: (asked.add_(len(images)) and None) or forward(self, images)
    )
    config = changed(tiny, "attacks", {"local": {"kind": "local_search", "max_queries": 30, "examples": 4}})
    del config["variants"]["pruned"]
    result = run(Study.parse({**config, "runtime": "openvino"}), out=tmp_path, executor="serial")
    assert not result.ended("failed")
    assert float(asked) > 40 + 4 + 10  # the clean images, the verdicts, and the attack's queries
