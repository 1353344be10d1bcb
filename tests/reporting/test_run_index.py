"""One page over many runs: each with its answer and a link, damaged ones with the reason, nobody's page overwritten."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from brinell.core import StoreError
from brinell.reporting import write
from brinell.reporting.run_index import find_runs, write_index
from reporting.fake_run import FAKES, write_fake_run
from store.rewriting import renew_hash


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many") / "runs"
    write(write_fake_run(root / "one", FAKES[:3], examples=100).root)
    write_fake_run(root / "group" / "two words", FAKES[:3], examples=100)
    shutil.copytree(root / "one", root / "three")
    (root / "three" / "study.json").write_text("{")
    (root / "no run").mkdir()
    return root


def test_every_run_is_listed_once(runs: Path) -> None:
    assert [place.name for place in find_runs(runs)] == ["two words", "one", "three"]
    page = write_index(runs).read_text()
    assert re.findall(r'<th scope="row">(.*?)</th>', page) == [
        "group/two words",
        '<a href="one/report/index.html">one</a>',
        '<a href="three/report/index.html">three</a>' if "three/report" in page else "three",
    ]
    assert len(re.findall(r"<td><p>\w", page)) == page.count("3 of 3") == 2
    assert page.count("cannot be read: ") == 1
    assert page.count("No report yet") == 1
    assert "<script" not in page
    assert write_index(runs).read_text() == page  # its own page is replaced


def test_what_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no run in"):
        write_index(tmp_path)
    with pytest.raises(StoreError, match="there is no folder"):
        write_index(tmp_path / "gone")
    shutil.copytree(runs / "one", tmp_path / "runs" / "one")
    own = tmp_path / "runs" / "index.html"
    own.write_text("<h1>mine</h1>")
    with pytest.raises(StoreError, match="is not a page of brinell index"):
        write_index(tmp_path / "runs")
    assert own.read_text() == "<h1>mine</h1>"


def test_names_of_strangers_are_text(runs: Path, tmp_path: Path) -> None:
    root = shutil.copytree(runs / "one", tmp_path / "runs" / "<b>one")
    text = (root / "study.json").read_text()
    (root / "study.json").write_text(text.replace('"pruned"', '"<script>alert(1)</script>"'))
    renew_hash(root / "study.json")
    page = write_index(tmp_path / "runs").read_text()
    assert "<script" not in page
    assert "<b>" not in page
