"""A study that runs in seconds, as the mapping that its YAML would hold."""

from __future__ import annotations

import multiprocessing
from copy import deepcopy
from typing import Any

import pytest
import yaml

from brinell.study import Study

TINY = """
name: tiny
data: {kind: digits, train: {holdout: 97}, test: {examples: 40}}
models:
  small: {kind: resnet8, width: 2}
variants:
  base: {model: small, train: {epochs: 1, batch_size: 128}}
  pruned: {from: base, compress: {kind: prune, train: {epochs: 1, batch_size: 128}}}
attacks:
  fgsm: {kind: fgsm, sweep: {epsilon: [8/255, 16/255]}}
  pgd: {kind: pgd, epsilon: 16/255, sweep: {steps: [1, 3]}}
probes: {masking: false}
block: 20
"""


@pytest.fixture
def tiny() -> dict[str, Any]:
    """The mapping, free to change."""
    config: dict[str, Any] = yaml.safe_load(TINY)
    return config


@pytest.fixture
def tiny_study(tiny: dict[str, Any]) -> Study:
    """The study."""
    return Study.parse(tiny)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked by a server that has imported everything, instead of importing it each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["brinell.study.executors.processes", "lightning_fabric", "sklearn.datasets"])
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)


REMOVE = "(left out)"


def changed(config, path, value):
    """A copy of `config` with `value` at the dotted `path`."""
    config = deepcopy(config)
    *above, last = path.split(".")
    inside = config
    for part in above:
        inside = inside.setdefault(part, {})
    if value is REMOVE:
        del inside[last]
    else:
        inside[last] = value
    return config
