"""Every small file that asks for much is refused, or read, within a bound that follows from its size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostile_files import ROWS

pytestmark = pytest.mark.slow

MEGABYTES = 128
"""That refusing a file may take, with what is imported for it."""
MORE = {
    "image: 1 x 4,000,000 pixels, scaled to 224 x 224": 300,  # it is decoded first: any file may have so many pixels
    ".brinell: a network of zeros, 40 MB in 40 kB": 3.3 * 41,  # it is read
}


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    program = Path(__file__).with_name("hostile_files.py")
    done = subprocess.run([sys.executable, program, "--json"], capture_output=True, check=True, env={**os.environ})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_it_is_bounded(figures: dict[str, Any], name: str) -> None:
    found = figures[name]
    assert found["outcome"] == ("read" if "network of zeros" in name else "refused"), found["said"]
    assert found["megabytes"] <= MORE.get(name, MEGABYTES)
