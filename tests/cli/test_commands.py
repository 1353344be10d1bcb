from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import pytest

from brinell.attacks import ATTACKS
from brinell.compressors import COMPRESSORS
from brinell.container import STUDY_NETWORKS
from brinell.data import DATASETS
from brinell.store import Failure, Running, RunStore
from brinell.study import shipped
from store.rewriting import renew_hash


@pytest.fixture(scope="session")
def file(done):
    """The baseline's file."""
    return done / "variants" / RunStore(done).plan().variants[0].key / "variant.brinell"


def test_report_and_status_need_no_torch(done):
    """A report is a function of a folder: the room that computes is never loaded."""
    for command in ("report", "status"):
        code = (
            f"import sys, brinell.cli\ntry:\n    brinell.cli.main([{command!r}, {str(done)!r}])\n"
            "except SystemExit as left:\n    assert not left.code\n"
            "assert 'torch' not in sys.modules, 'torch was imported'\n"
            "assert 'polars' in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_report_prints_the_page(brinell, done):
    said = brinell("report", done)
    assert said.status == 0
    assert said.out.strip() == str(done / "report" / "index.html")


def test_status_of_a_whole_run(brinell, done):
    said = brinell("status", done)
    assert "tiny: 14 of 14 results done" in said.out
    assert [line.split() for line in said.out.splitlines()[1:4]] == [
        ["variant", "made", "clean", "fgsm", "pgd"],
        ["base", "yes", "2/2", "2/2", "2/2"],
        ["pruned", "yes", "2/2", "2/2", "2/2"],
    ]


def test_status_of_half_a_run(brinell, done, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    for path in list((tmp_path / "run" / "trials").rglob("*.parquet"))[:3]:
        path.unlink()
    said = brinell("status", tmp_path / "run")
    assert "11 of 14 results done" in said.out
    assert "running the same study again computes what is left" in said.out


def test_status_counts_what_is_whole(brinell, done, tmp_path):
    root = shutil.copytree(done, tmp_path / "run")
    cut, empty = sorted((root / "trials").rglob("*.parquet"))[:2]
    cut.write_bytes(cut.read_bytes()[:-9])
    empty.write_bytes(b"")
    assert "12 of 14 results done" in brinell("status", root).out


def test_names_that_look_like_markup_are_shown(brinell, done, tmp_path):
    root = shutil.copytree(done, tmp_path / "run")
    name = "s[/x] [red]"
    plan = json.loads((root / "study.json").read_text())
    plan["name"] = plan["variants"][1]["name"] = name
    for trial in plan["trials"]:
        trial["attack"] = f"{trial['attack']}[/y]"
    (root / "study.json").write_text(json.dumps(plan))
    renew_hash(root / "study.json")
    said = brinell("status", root)
    assert said.status == 0
    assert f"{name}: 14 of 14 results done" in said.out
    assert said.out.splitlines()[1].split() == ["variant", "made", "clean[/y]", "fgsm[/y]", "pgd[/y]"]
    assert said.out.splitlines()[3].startswith(name)
    said = brinell("compare", done, root)
    assert said.status == 0
    assert f"only run plans {name}" in said.out


@pytest.mark.parametrize(
    ("family", "known"),
    [
        ("attacks", ATTACKS),
        ("compressors", COMPRESSORS),
        ("models", STUDY_NETWORKS),
        ("datasets", DATASETS),
        ("studies", shipped()),
    ],
)
def test_list_names_every_member(brinell, family, known):
    said = brinell("list", family)
    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines()] == list(known)


def test_list_shows_settings(brinell):
    said = brinell("list", "attacks", "pgd")
    described = {name: text for name, _, text in (line.partition(" ") for line in said.out.splitlines())}
    assert described["step_size"].strip() == "float | null > 0; default null"
    assert described["norm"].strip() == "linf | l2; default linf"
    assert brinell("list", "attacks", "pdg").err.startswith("error: unknown attack 'pdg'; did you mean 'pgd'?")


@pytest.mark.parametrize("command", ["run", "report", "status", "list", "inspect", "attack", "compress"])
def test_help_has_an_example(brinell, command):
    said = brinell(command, "--help")
    assert said.status == 0
    assert f"$ brinell {command} " in said.out


def test_inspect_shows_the_file(brinell, file):
    said = brinell("inspect", file)
    assert said.status == 0
    assert 'resnet8 {"classes": 10' in said.out
    assert "model.layer3.0.conv2.weight" in said.out
    assert f"{file.stat().st_size:,} bytes" in said.out


def test_attack_prints_accuracies(brinell, file):
    said = brinell("attack", file, "--data", "digits", "--with", "fgsm", "--set", "epsilon=0", "--examples", 50)
    assert said.status == 0, said.err
    figures = {" ".join(line.split()[:2]): line.split()[2] for line in said.out.splitlines()[1:]}
    assert figures["clean accuracy"] == figures["robust accuracy"]
    assert figures["forward passes"] == "1.0"


def test_attack_takes_auto_attack_and_says_how_far_a_boundary_is(brinell, file):
    arguments = ("attack", file, "--data", "digits", "--examples", 12)
    small = [part for pair in ("epsilon=16/255", "steps=3", "queries=10") for part in ("--set", pair)]
    said = brinell(*arguments, "--with", "auto_attack", *small)
    assert said.status == 0, said.err
    assert "distance" not in said.out
    said = brinell(*arguments, "--with", "fmn", "--set", "norm=l1", "--set", "steps=20")
    assert said.status == 0, said.err
    (line,) = [line for line in said.out.splitlines() if "distance" in line]
    assert line.startswith("median l1")
    assert float(line.split()[3]) > 0


def test_compress_writes_a_file_that_can_be_attacked(brinell, file, tmp_path):
    target = tmp_path / "pruned.brinell"
    said = brinell(
        *("compress", file, "--data", "digits", "--with", "prune", "--out", target),
        *("--set", "budget={sparsity: 0.75}", "--set", "train.epochs=1"),
    )
    assert said.status == 0, said.err
    assert f"{target}: {target.stat().st_size:,} bytes" in said.out
    again = brinell("attack", target, "--data", "digits", "--with", "fgsm", "--set", "epsilon=1/255", "--examples", 20)
    assert again.status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "gone"], "gone is not a run's folder"),
        (["status", "gone"], "gone is not a run's folder"),
        (["inspect", "gone"], "no file at gone, and no model of that kind"),
        (["run", "quikstart"], "unknown study 'quikstart' (and no such file); did you mean 'quickstart'?"),
        (["attack", "gone", "--data", "digits", "--with", "fgsm", "--set", "epsilon=0"], "no file at gone"),
        (["attack", "resnet8", "--data", "digits", "--with", "fgsm", "--set", "epsilon=0"], "give a checkpoint"),
        (["attack", "resnet8", "--data", "digits", "--with", "fgsm"], "fgsm.epsilon: missing"),
        (["attack", "resnet8", "--data", "digits", "--with", "fsgm"], "did you mean 'fgsm'?"),
        (["attack", "resnet8", "--data", "digit", "--with", "fgsm", "--set", "epsilon=0"], "did you mean 'digits'?"),
        (
            ["compress", "resnet8", "--data", "digits", "--with", "inq", "--out", "x", "--set", "weight_bit=3"],
            "inq.weight_bit: unknown key; did you mean 'weight_bits'?",
        ),
    ],
)
def test_mistakes_are_told_without_a_traceback(brinell, arguments, said):
    found = brinell(*arguments)
    assert found.status == 1
    assert found.err.startswith("error: ")
    assert said in found.err
    assert "Traceback" not in found.err


def test_status_says_what_cannot_be_done_and_why(brinell, done, tmp_path):
    """A variant that failed blocks its attacks; an unsupported block is not left to do; the rest is."""
    shutil.copytree(done, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    plan = store.plan()
    base, pruned = plan.variants
    fgsm = next(trial for trial in plan.trials if (trial.attack, trial.judged_on) == ("fgsm", base.key))
    for trial in plan.trials:
        if trial.judged_on == pruned.key:
            shutil.rmtree(store.root / "trials" / trial.key)
    shutil.rmtree(store.variant(pruned.key))
    store.write_failure(Failure(pruned.key, "pruned", "out of [luck]", "", unsupported=False))
    block = fgsm.blocks[1]
    store.rows_path(fgsm.key, block.name).unlink()
    store.write_failure(Failure(f"{fgsm.key}.{block.name}", "base · fgsm", "no sense", "", unsupported=True))
    said = brinell("status", store.root)
    assert "tiny: 6 of 14 results done, 1 failed, 6 blocked, 1 unsupported" in said.out
    assert [" ".join(line.split()) for line in said.out.splitlines()[2:4]] == [
        "base yes 2/2 1/2 unsupported 2/2",
        "pruned failed 0/2 blocked 0/2 blocked 0/2 blocked",
    ]
    assert "failed: pruned: out of [luck]" in said.out
    assert "unsupported: base · fgsm: no sense" in said.out


def test_status_of_a_run_that_goes_on(brinell, done, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    shutil.rmtree(store.root / "trials")
    now = time.time()
    store.write_time_remaining(300.0, now - 5)
    store.write_running(Running("0" * 20, "pruned · pgd", 1, 4, now - 10, now))
    dead = brinell("status", store.root).out
    assert "2 of 14 results done\n" in dead
    assert "running the same study again computes what is left" in dead
    with store.lock():
        store.write_time_remaining(300.0, now - 5)
        store.write_running(Running("0" * 20, "pruned · pgd", 1, 4, now - 10, now))
        said = brinell("status", store.root)
        assert "2 of 14 results done, 1 running" in said.out
        assert "running: pruned · pgd: 25%, said 0 s ago" in said.out
        assert "about 5 min left" in said.out
        store.write_time_remaining(3600.0, now - 300)  # busy with something that says little
        assert "about 55 min left" in brinell("status", store.root).out
        store.write_time_remaining(3600.0, now - 900)
        assert "it is not known yet how much time is left" in brinell("status", store.root).out


def test_attack_looks_at_the_view_it_is_told(brinell, file):
    arguments = ("attack", file, "--data", "digits", "--with", "fgsm", "--set", "epsilon=0.1", "--examples", 20)
    assert brinell(*arguments, "--view", "exact").status == 0
    said = brinell(*arguments, "--view", "exat")
    assert said.status == 1
    assert "unknown view 'exat'; accepted: natural, exact" in said.err


def test_help_shows_flags_without_a_type_and_the_whole_grammar_of_conditions(brinell):
    from brinell.analysis.compare.changes import METRICS

    for command in (["--help"], ["run", "--help"], ["import", "--help"], ["import", "deep-compression", "--help"]):
        assert "<bool>" not in brinell(*command).out
    for command in ("compare", "limit"):
        text = " ".join(brinell(command, "--help").out.split())
        assert (
            "METRIC [under ATTACK] [within RADIUS [NORM]] [on RUNTIME] [of VARIANT] < | <= | > | >= NUMBER[%]" in text
        )
        missing = [metric for metric in METRICS if metric not in text]
        assert missing == ([] if command == "compare" else ["top5_accuracy"])
