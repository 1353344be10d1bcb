"""Commands in this process, and a run that they can look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from brinell.cli import main
from study.conftest import TINY


class Said(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str


@pytest.fixture
def brinell(capsys) -> Callable[..., Said]:
    """Run one command line."""

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return command


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """The tiny study's file."""
    path = tmp_path_factory.mktemp("studies") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def done(study, tmp_path_factory) -> Path:
    """A run of it; nobody may change what it computed."""
    from brinell.study import run

    root = tmp_path_factory.mktemp("runs") / "tiny"
    run(study, out=root, threads=1)
    return root
