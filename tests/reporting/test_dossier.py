"""The dossier: its sections say what the run holds, hashes are those of the files, names of strangers are text."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from brinell.analysis import load
from brinell.analysis.significance.bounds import difference_bounds, share_bounds
from brinell.core import ConfigurationError
from brinell.reporting.dossier import dossier, write_dossier
from brinell.reporting.dossier.pdf import BROWSERS, print_pdf
from brinell.store import RunStore
from reporting.fake_run import half_finished, write_fake_run
from reporting.rich_run import write_rich_run
from store.rewriting import renew_hash

SECTIONS = [
    "item_under_test",
    "threat_model",
    "data",
    "adequacy",
    "results",
    "requirements",
    "deviations",
    "missing",
    "manifest",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = write_fake_run(tmp_path_factory.mktemp("run") / "run", examples=200)
    plan = json.loads(store.plan_path.read_text())
    plan["requirements"] = ["encoded_bytes of pruned <= 1"]
    store.plan_path.write_text(json.dumps(plan))
    renew_hash(store.plan_path)
    return store.root


@pytest.fixture(scope="module")
def record(root: Path) -> dict[str, Any]:
    return dossier(root).record()


def rows(record: dict[str, Any], section: str, network: str) -> list[dict[str, Any]]:
    return [row for row in record[section]["rows"] if row.get("network") == network]


def test_all_sections_are_there_in_order(record: dict[str, Any]) -> None:
    assert [name for name in record if name not in ("format", "made_by", "study")] == SECTIONS
    assert record["format"] == "brinell-dossier-1"
    for name in SECTIONS:
        assert record[name]["rows"] or record[name]["statements"]


def test_results_have_the_bounds_of_their_counts(root: Path, record: dict[str, Any]) -> None:
    evaluation = load(RunStore.open(root))
    clean, *attacked = rows(record, "results", "pruned")
    variant = evaluation.variants.filter(evaluation.variants["variant"] == "pruned").row(0, named=True)
    correct = round(variant["clean_accuracy"] * variant["examples"])
    assert (clean["low"], clean["high"]) == pytest.approx(share_bounds(correct, variant["examples"]))
    pairs = evaluation.pairs.filter((evaluation.pairs["variant"] == "pruned") & (evaluation.pairs["attack"] == "clean"))
    pair = pairs.row(0, named=True)
    bounds = difference_bounds(pair["only_variant"], pair["only_baseline"], pair["examples"])
    assert (clean["change low"], clean["change high"]) == pytest.approx(bounds)
    worst = evaluation.worst.filter(evaluation.worst["variant"] == "pruned")
    assert [row["accuracy"] for row in attacked] == pytest.approx(worst["robust_accuracy"].to_list())


def test_what_the_attackers_know(record: dict[str, Any]) -> None:
    known = {row["attack"]: row["knowledge"] for row in record["threat_model"]["rows"]}
    assert known["pgd"] == "white-box"
    assert "NIST AI 100-2 E2025" in record["threat_model"]["statements"][0]
    checks = {row["check"]: row["passed"] for row in rows(record, "adequacy", "xnor")}
    assert checks["attacked with full knowledge (white-box)"] is True
    assert checks["no sign of masked gradients"] is False
    assert checks["attacked by transfer"] is False  # nobody probed it
    made = {row["network"]: row["made by"] for row in record["item_under_test"]["rows"]}
    assert made["pruned"].endswith(", then prune")


def test_verdicts_and_what_is_missing(root: Path, record: dict[str, Any], tmp_path: Path) -> None:
    (row,) = rows(record, "requirements", "pruned")
    assert (row["verdict"], row["limit"]) == ("not met", 1)
    half = RunStore(shutil.copytree(root, tmp_path / "half"))
    half_finished(half)
    found = dossier(half.root, ["baseline", "pruned"]).record()
    assert "pgd on pruned" in {row["what"] for row in found["missing"]["rows"]}
    assert "No attack in the norm l1 was run; nothing is claimed in it." in found["missing"]["statements"]


def test_the_manifest_is_that_of_the_files(root: Path, record: dict[str, Any]) -> None:
    files = {row["file"]: row for row in record["manifest"]["rows"]}
    assert "study.json" in files
    assert len(files) == sum(
        path.is_file() and not path.name.startswith(".") and path.parts[len(root.parts)] not in ("report", "scratch")
        for path in root.rglob("*")
    )
    for name, row in files.items():
        content = (root / name).read_bytes()
        assert (row["SHA-256"], row["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_rich_run_and_its_deviations(tmp_path: Path) -> None:
    found = dossier(write_rich_run(tmp_path / "run").root).record()
    json.dumps(found, allow_nan=False)
    assert found["deviations"]["rows"] or found["deviations"]["statements"] == ["None is known."]
    assert {row["knowledge"] for row in found["threat_model"]["rows"]} <= {
        "white-box",
        "black-box, query access",
        "black-box, transfer",
    }


def test_names_of_strangers_are_text(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "run")
    text = (copy / "study.json").read_text()
    (copy / "study.json").write_text(text.replace('"pruned"', '"<script>alert(1)</script>"'))
    renew_hash(copy / "study.json")
    page = dossier(copy).page()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_files_of_some_networks(root: Path, tmp_path: Path) -> None:
    files = write_dossier(root, tmp_path / "out", ["pruned"], pdf=False)
    assert [file.name for file in files] == ["dossier.json", "dossier.html"]
    found = json.loads(files[0].read_text())
    assert [row["network"] for row in found["item_under_test"]["rows"]] == ["pruned"]
    with pytest.raises(ConfigurationError, match="there is no 'prund'; did you mean 'pruned'"):
        write_dossier(root, tmp_path / "out", ["prund"])


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="needs the system's Chromium")
def test_a_browser_writes_the_pdf(root: Path, tmp_path: Path) -> None:
    files = write_dossier(root, tmp_path / "out", ["pruned"])
    assert files[2].read_bytes().startswith(b"%PDF-")


def test_without_a_browser_json_is_written_and_the_error_says_what_is_needed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="a PDF takes a browser on PATH: chromium"):
        write_dossier(root, tmp_path / "out", ["pruned"])
    assert (tmp_path / "out" / "dossier.json").is_file()
    with pytest.raises(ConfigurationError):
        print_pdf(tmp_path / "out" / "dossier.html", tmp_path / "x.pdf")
