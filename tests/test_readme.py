"""What the README says works, as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_script_runs_and_prints_what_it_promises(tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    before, after = (
        [float(number) for number in re.search(rf"{name}: ([\d.]+)% clean, ([\d.]+)% under", out).groups()]
        for name in ("before", "after")
    )
    assert before[0] > 90
    assert after[0] > 88
    assert after[1] < after[0]
    size = int(re.search(r"(\d+) bytes", out).group(1))
    assert size == (tmp_path / "small.brinell").stat().st_size < 4 * (16 * 9 + 16 + 10240 + 10) / 3


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_commands_it_names_exist(target: str) -> None:
    assert f"make {target}" in README.read_text()
    assert re.search(rf"^{target}:", (README.parent / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_pages_it_links_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert (README.parent / link).is_file(), link
