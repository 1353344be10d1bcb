"""One training on several processes, started by the real `torchrun`, against the same training on one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from brinell.core import ConfigurationError
from brinell.study import Study, run
from brinell.training import Batch, ProcessGroup, fit, process_group
from training.distributed_program import LINEAR
from training.test_fit import blobs, linear

PROCESSES = 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each process has at the end."""
    folder = tmp_path_factory.mktemp("ranks")
    script = Path(__file__).with_name("distributed_program.py")
    starter = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={PROCESSES}"]
    paths = os.pathsep.join([str(script.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [*starter, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [load_file(folder / f"rank{rank}.safetensors") for rank in range(PROCESSES)]


@pytest.mark.slow
def test_processes_end_with_the_weights_of_one(trained: list[dict[str, Tensor]]) -> None:
    """120 - 10 examples in batches of 12 and 13: shares of unequal size, each of which must weigh what it holds."""
    module = linear()
    history = fit(module, blobs(), LINEAR, seed=1)
    for found in trained:
        for name, tensor in module.state_dict().items():
            torch.testing.assert_close(found[f"linear.{name}"], tensor)
        torch.testing.assert_close(found["loss"], torch.tensor([epoch.loss for epoch in history.epochs]))


@pytest.mark.slow
def test_processes_agree_to_the_last_bit(trained: list[dict[str, Tensor]]) -> None:
    first, second = trained
    assert first.keys() == second.keys()
    assert any("running_mean" in name for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_training_that_is_done_is_read_by_all(trained: list[dict[str, Tensor]]) -> None:
    for found in trained:
        again = {name: tensor for name, tensor in found.items() if name.startswith("again.")}
        assert again
        assert all(torch.equal(tensor, found[name.replace("again", "linear", 1)]) for name, tensor in again.items())


def test_shares_hold_every_example_once() -> None:
    batch = Batch(torch.rand(7, 1, 2, 2), torch.arange(7), torch.arange(7), 0, 0)
    shares = [ProcessGroup(rank, 3).share(batch) for rank in range(3)]
    assert sorted(torch.cat([part.ids for part, _ in shares]).tolist()) == list(range(7))
    mean = sum(float(part.labels.double().mean()) * weight for part, weight in shares) / 3
    assert mean == pytest.approx(3.0)
    assert ProcessGroup().share(batch) == (batch, 1.0)


def test_batches_too_small_to_share_are_refused() -> None:
    ProcessGroup(0, 4).check(8)
    with pytest.raises(ConfigurationError, match="the smallest batch has 7 examples; 4 processes need at least 8"):
        ProcessGroup(0, 4).check(7)


def test_a_study_is_not_for_torchrun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert process_group() == ProcessGroup()
    names = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert process_group() == ProcessGroup(1, 2, 1, 2)
    with pytest.raises(ConfigurationError, match="torchrun has started 2 processes"):
        run(Study.from_yaml("quickstart"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
