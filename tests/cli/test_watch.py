"""`brinell report --watch`: the page follows what lands."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brinell.cli import report
from brinell.store import RunStore


@pytest.fixture
def half(done, tmp_path):
    """A run of which one block has yet to land, and the block."""
    root = shutil.copytree(done, tmp_path / "run")
    shutil.rmtree(root / "report", ignore_errors=True)
    path = sorted((root / "trials").rglob("*.parquet"))[0]
    return root, path, path.read_bytes()


def test_the_page_is_drawn_at_first_and_whenever_something_lands(half, monkeypatch, capsys):
    root, path, content = half
    path.unlink()
    drawn = []

    def draw(folder):
        drawn.append(len(RunStore(folder).change_token()))
        (folder / "report").mkdir(exist_ok=True)
        (folder / "report" / "index.html").touch()

    monkeypatch.setattr(report, "_draw", draw)
    looks = iter(["nothing", "half", "lands", "nothing", "changes", "stop"])

    def pause(seconds):
        what = next(looks)
        assert seconds == 0.5
        if what == "half":
            (path.parent / f".tmp-1-{path.name}").write_bytes(content[:10])
        if what == "lands":
            path.write_bytes(content)
        if what == "changes":
            path.write_bytes(content + b" ")
        if what == "stop":
            raise KeyboardInterrupt

    monkeypatch.setattr(report.time, "sleep", pause)
    report._watch(RunStore(root), 0.5)
    assert drawn == [drawn[0], drawn[0] + 1, drawn[0] + 1]
    assert "index.html is whole" in capsys.readouterr().out


def test_stopped_before_the_first_page_says_so(half, monkeypatch, capsys):
    root, _, _ = half

    def stop(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "_draw", stop)
    report._watch(RunStore(root), 0.5)
    assert capsys.readouterr().out == "stopped; nothing is drawn yet\n"


@pytest.mark.slow
def test_a_watcher_in_its_own_process_stops_cleanly(half):
    root, path, content = half
    path.unlink()
    command = [Path(sys.executable).parent / "brinell", "report", str(root), "--watch", "--every", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        page = str(root / "report" / "index.html")
        assert watcher.stdout.readline().strip() == page
        first = (root / "report" / "index.html").stat().st_mtime_ns
        temporary = path.with_name(".tmp-block")
        temporary.write_bytes(content)
        temporary.rename(path)
        assert watcher.stdout.readline().strip() == page
        assert (root / "report" / "index.html").stat().st_mtime_ns > first
        time.sleep(0.3)
        watcher.send_signal(signal.SIGINT)
        said, error = watcher.communicate(timeout=60)
    assert "is whole" in said
    assert error == ""
    assert watcher.returncode == 0


def test_what_cannot_be_read_is_named_and_the_exit_status_tells(brinell, half):
    root, path, content = half
    path.write_bytes(content[:-20])
    said = brinell("report", root)
    assert said.status == 1
    assert str(path.relative_to(root)) in said.err
    assert (root / "report" / "index.html").is_file()
