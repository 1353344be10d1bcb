"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from brinell.store import RunStore
from brinell.training import histories
from study.conftest import TINY
from study.test_run import assert_equal_answers, assert_equal_rows, stamps

KILLS = 12
TRANSFER = "transfer: {attack: {kind: pgd, epsilon: 8/255}, sources: [base]}"
KILLED = (
    TINY.replace("probes: {masking: false}", f"{TRANSFER}\nprobes: {{masking: false, gallery: {{examples: 4}}}}")
    .replace("holdout: 97", "holdout: 97, examples: 320")
    .replace("batch_size: 128", "batch_size: 64")
)


class Server:
    """The parent of the runs."""

    def __init__(self, study: Path) -> None:
        self.study = study
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("kill_program.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, root: Path, *, die_at: int | None = None, die_after: float | None = None) -> tuple[int, float]:
        """Exit status of one run, which dies at that event, or after so many seconds of computing; and its seconds of
        computing."""
        order = {"study": str(self.study), "root": str(root), "log": str(root.with_suffix(".log"))}
        self.process.stdin.write(json.dumps({**order, "die_at": die_at, "die_after": die_after}) + "\n")
        self.process.stdin.flush()
        status, seconds = json.loads(self.process.stdout.readline())
        return status, seconds

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def events(root: Path) -> Counter[str]:
    return Counter(root.with_suffix(".log").read_text().split())


def half_made(root: Path) -> set[str]:
    """What a killed run has left: temporary files, and variants in training."""
    found = {"write" for _ in root.rglob(".tmp-*")}
    store = RunStore(root)
    for folder in (root / "scratch").glob("*"):
        if folder.name != "running" and not store.has_variant(folder.name) and histories(folder):
            found.add("training")
    return found


def finished(root: Path) -> dict[str, tuple[int, int]]:
    """The stamps of what is done for good: an answer's arrays are that only once its record stands beside them."""
    if not root.exists():
        return {}
    store = RunStore(root)
    answered = {str(store.arrays_path(path.stem)) for path in (root / "probes").glob("[!.]*")}
    return {
        path: stamp
        for path, stamp in stamps(root).items()
        if "/.tmp-" not in path and (path in answered or Path(path).parent.name != "arrays")
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    study = tmp_path_factory.mktemp("study") / "tiny.yaml"
    study.write_text(KILLED)
    found = Server(study)
    yield found
    found.close()


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory) -> tuple[Path, float]:
    """The folder of a run in peace, and how long it computed."""
    root = tmp_path_factory.mktemp("undisturbed") / "run"
    status, seconds = server.run(root)
    assert status == 0
    return root, seconds


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(server, undisturbed, tmp_path):
    whole, seconds = undisturbed
    total = sum(events(whole).values())
    moments = random.Random(20)  # noqa: S311
    kills, seen, folders = 0, set(), []
    while kills < KILLS:
        root = tmp_path / f"run{len(folders)}"
        folders.append(root)
        kept: list[dict[str, tuple[int, int]]] = []
        for by_clock in (True, False) * KILLS:
            if kills == KILLS:
                status, _ = server.run(root)
            elif by_clock:
                status, _ = server.run(root, die_after=moments.uniform(0.001, seconds / 2))
            else:
                status, _ = server.run(root, die_at=moments.randint(1, total // 3))
            if status == 0:
                break
            assert status == (-signal.SIGPROF if by_clock else -signal.SIGKILL)
            kills += 1
            kept.append(finished(root))
            seen |= half_made(root)
        final = stamps(root)
        assert_equal_rows(whole, root)
        assert_equal_answers(whole, root)
        for before in kept:
            assert before.items() <= final.items()
        assert not list(root.rglob(".tmp-*"))
        happened, wanted = events(root), events(whole)
        assert happened["step"] <= wanted["step"] + 2 * len(kept)
        for what in ("block", "target", "probe"):
            assert happened[what] <= wanted[what] + len(kept)
    assert seen == {"write", "training"}


@pytest.mark.slow
def test_weights_trained_across_kills_are_those_of_an_undisturbed_training(server, undisturbed, tmp_path):
    """Die a little later every time, until the first variant is made; its file is the same to the byte."""
    whole, _ = undisturbed
    root, deaths = tmp_path / "run", 0
    while not list(root.glob("variants/[!.]*/variant.brinell")):
        status, _ = server.run(root, die_at=10 + 4 * deaths)
        assert status == -signal.SIGKILL
        deaths += 1
    assert deaths >= 3
    (made,) = (file.parent for file in root.glob("variants/[!.]*/variant.brinell"))
    assert (made / "variant.brinell").read_bytes() == (whole / "variants" / made.name / "variant.brinell").read_bytes()
