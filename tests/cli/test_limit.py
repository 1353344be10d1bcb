"""`brinell limit`: a search from the command line, and the study that it leaves."""

from __future__ import annotations

import pytest
import yaml

import brinell as package
from brinell.core import ConfigurationError
from brinell.study import Study, limit_config


def test_it_answers_and_leaves_its_study(brinell, tmp_path):
    root = tmp_path / "run"
    families = "families={powers: {kind: inq, weight_bits: {search: [4, 7]}, train: {epochs: 1, batch_size: 128}}}"
    train = "train={epochs: 2, batch_size: 128}"
    arguments = ("limit", "resnet8", "--data", "digits", "--set", "data.test.examples=40", "--set", "model.width=2")
    arguments += ("--set", train, "--set", families, "--keep", "clean_accuracy >= -0.9", "--budget", 2)
    said = brinell(*arguments, "--out", root, "--threads", 1)
    assert said.status == 0, said.err
    assert "baseline can be compressed " in said.out
    config = yaml.safe_load((root / "study.yaml").read_text())
    assert config["limits"]["smallest"]["keep"] == ["clean_accuracy >= -0.9"]
    assert Study.parse(config).models["model"].architecture.width == 2
    said = brinell("run", root / "study.yaml", "--out", root)
    assert said.status == 0
    assert "tasks are done already" in said.out


def test_one_clear_error(brinell, tmp_path):
    said = brinell("limit", "resnet8", "--data", "digits", "--keep", "beauty >= 1", "--out", tmp_path / "run")
    assert said.status == 1
    assert "keep 'beauty >= 1': 'beauty' is no metric" in said.err
    said = brinell("limit", "resnet8", "--data", "digits", "--keep", "clean_accuracy >= 0.5", "--out", tmp_path / "run")
    assert said.status == 1
    assert "variants.baseline: it would be random" in said.err
    assert not (tmp_path / "run").exists()


def test_the_study_that_it_runs():
    keep = ["clean_accuracy >= -0.01", "worst_case within 0.5 l2 >= -0.02"]
    config = limit_config("resnet8", data="digits", keep=keep, train={"epochs": 1}, minimise="macs", budget=8)
    study = Study.parse(config)
    assert study.attacks["pgd"].attack.norm == "l2"
    assert [point.epsilon for point in study.attacks["pgd"].points] == [0.5]
    assert set(study.limits["smallest"].families) == {"channels"}  # weights that are zero take the same MACs
    both = limit_config("resnet8", data="digits", keep=keep, train={"epochs": 1}, minimise=["bytes", "latency_ms"])
    assert Study.parse(both).probes["latency"]
    assert set(both["limits"]["smallest"]["families"]) == {"channels"}
    alone = limit_config("resnet8", data="digits", keep=keep, train={"epochs": 1}, budget=None, hours=0.5)
    assert Study.parse(alone).limits["smallest"].budget.hours == 0.5
    assert set(alone["limits"]["smallest"]["families"]) == {"weights", "powers"}
    with pytest.raises(ConfigurationError, match="at least one condition"):
        package.limit("resnet8", data="digits", keep=[])
