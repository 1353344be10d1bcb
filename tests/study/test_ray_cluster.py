"""Ray: equal rows, also of a task whose worker died and that was tried again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from brinell.core import ConfigurationError
from brinell.study import Study, run
from study.conftest import TINY
from study.test_run import assert_equal_rows


@pytest.mark.slow
def test_rows_are_those_of_the_serial_executor_also_where_a_worker_dies(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    study = tmp_path / "tiny.yaml"
    study.write_text(TINY)
    script = Path(__file__).with_name("ray_program.py")
    done = subprocess.run(
        [sys.executable, str(script), str(study), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert len(result["killed"]) == 1
    assert result["first"] == ["done"]
    assert result["second"] == []
    assert result["failures"] == []
    run(Study.parse(yaml.safe_load(TINY)), out=tmp_path / "serial", threads=1)
    assert_equal_rows(tmp_path / "serial", tmp_path / "run")


def test_where_ray_is_not_installed_it_says_what_to_install(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'brinell\[ray\]'"):
        run(tiny_study, out=tmp_path / "run", executor="ray")
