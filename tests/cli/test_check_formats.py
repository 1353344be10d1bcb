"""Documents for machines are read back by the standard's own parsers, and hold what hostile names hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.test_changes import break_examples
from brinell.cli.display.check_formats import Check, Checks, Format, formatted
from brinell.store import RunStore
from reporting.fake_run import FAKES, half_finished, write_fake_run
from store.rewriting import renew_hash

HOSTILE = Checks(
    'a <run> & "more"',
    (
        Check("macs > 0: of a|b <img src=x>", "failed", "50% up\n::error::injected\x00"),
        Check("clean_accuracy >= 0.9", "undecided", "too few"),
        Check("ncc > 0", "passed", "same"),
    ),
)


def test_json_and_junit_are_read_back() -> None:
    found = json.loads(formatted(HOSTILE, Format.json))
    assert (found["outcome"], [check["outcome"] for check in found["checks"]]) == (
        "failed",
        ["failed", "undecided", "passed"],
    )
    suite = ElementTree.fromstring(formatted(HOSTILE, Format.junit))  # noqa: S314
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert suite.get("name") == HOSTILE.title
    cases = suite.findall("testcase")
    assert [len(case) for case in cases] == [1, 1, 0]
    assert (cases[0][0].tag, cases[1][0].tag) == ("failure", "skipped")
    assert cases[0].get("name") == HOSTILE.checks[0].name


def test_no_name_breaks_out_of_a_table_or_an_annotation() -> None:
    lines = formatted(HOSTILE, Format.markdown).splitlines()
    assert len(lines) == 7
    assert "<img" not in "\n".join(lines).replace("\\<img", "")
    lines = formatted(HOSTILE, Format.github).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert lines[0].endswith("::50%25 up%0A::error::injected\x00")


def test_nothing_checked_has_passed() -> None:
    nothing = Checks("empty", ())
    assert nothing.outcome == "passed"
    for kind in Format:
        assert formatted(nothing, kind)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    before = write_fake_run(tmp_path_factory.mktemp("runs") / "before", FAKES[:3], examples=200).root
    after = shutil.copytree(before, before.parent / "after")
    break_examples(RunStore(after), "fgsm", "pruned", 60)
    return before, after


def test_compare_in_every_format(brinell, runs):
    before, after = runs
    said = brinell("compare", before, after, "--fail-if", "robust_accuracy under fgsm < -0.02", "--format", "json")
    assert said.status == 1
    found = json.loads(said.out)
    assert found["title"] == "before to after"
    assert {check["outcome"] for check in found["checks"]} == {"passed", "failed"}
    said = brinell("compare", before, after, "--fail-if", "macs > 0", "--format", "junit")
    assert said.status == 0
    assert ElementTree.fromstring(said.out).get("failures") == "0"  # noqa: S314
    assert "::error title=" in brinell("compare", before, after, "--fail-if", "macs >= 0", "--format", "github").out
    assert brinell("compare", before, after, "--format", "markdown").out.startswith(
        "**before to after**: nothing checked"
    )


def test_statuses_of_compare(brinell, runs):
    before, after = runs
    assert brinell("compare", before, after, "--require", "encoded_bytes of pruned <= -50%").status == 0
    said = brinell("compare", before, after, "--require", "encoded_bytes of pruned <= -90%")
    assert said.status == 3
    assert "not met: encoded_bytes of pruned <= -90% of pruned: -67.9" in said.err
    said = brinell("compare", before, after, "--require", "clean_accuracy of pruned >= 0.96")
    assert (said.status, "undecided: clean_accuracy" in said.out) == (0, True)
    both = ("--fail-if", "macs >= 0", "--require", "encoded_bytes <= 1")
    assert brinell("compare", before, after, *both).status == 1
    for wrong in (("--require", "beauty > 1"), ("--require", "macs of nobody > 1"), ("--fail-if", "macs")):
        assert brinell("compare", before, after, *wrong).status == 2


def test_status_and_report(brinell, tmp_path):
    store = write_fake_run(tmp_path / "run", FAKES[:3], examples=200)
    found = json.loads(brinell("status", store.root, "--format", "json").out)
    assert found["outcome"] == "passed"
    half_finished(store)
    said = brinell("status", store.root, "--format", "json")
    found = json.loads(said.out)
    assert (said.status, found["outcome"]) == (1, "failed")
    assert brinell("status", store.root).status == 1
    assert {"name": "pruned: made", "outcome": "failed", "message": "1 failed"} in found["checks"]
    said = brinell("report", store.root, "--format", "json")
    assert json.loads(said.out) == {"title": "requirements", "outcome": "passed", "checks": []}
    assert "index.html" in said.err


def test_status_says_where_a_requirement_is_not_met(brinell, tmp_path):
    store = write_fake_run(tmp_path / "run", FAKES[:3], examples=200)
    plan = json.loads((store.root / "study.json").read_text())
    plan["requirements"] = ["encoded_bytes of pruned <= 1", "clean_accuracy of pruned >= 0.1"]
    (store.root / "study.json").write_text(json.dumps(plan))
    renew_hash(store.root / "study.json")
    said = brinell("status", store.root, "--format", "json")
    assert said.status == 3
    found = {check["name"]: check["outcome"] for check in json.loads(said.out)["checks"]}
    assert found["encoded_bytes of pruned <= 1 of pruned"] == "failed"
    assert found["clean_accuracy of pruned >= 0.1 of pruned"] == "passed"
    assert brinell("status", store.root).status == 3


def test_run(brinell, done, study, tmp_path):
    root = shutil.copytree(done, tmp_path / "run")
    said = brinell("run", study, "--out", root, "--set", "requirements=['encoded_bytes <= 1']", "--format", "json")
    assert said.status == 3
    (check,) = json.loads(said.out)["checks"]
    assert (check["name"], check["outcome"]) == ("encoded_bytes <= 1 of pruned", "failed")
