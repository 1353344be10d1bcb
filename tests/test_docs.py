"""What the documentation shows works, as it stands there."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import brinell
from brinell import costs
from brinell.analysis import load
from brinell.analysis.limit_results import limit_results
from brinell.attacks import ATTACKS, Attack
from brinell.compressors import COMPRESSORS, Compressor
from brinell.compressors.rates import RATES
from brinell.container import read, write
from brinell.core import Spec
from brinell.data import DATASETS, Dataset
from brinell.models import MODELS, build
from brinell.probes import PROBES
from brinell.reporting.figures import FIGURES
from brinell.reporting.image_grids import IMAGE_GRIDS
from brinell.reporting.tables import TABLES
from brinell.runtimes import RUNTIMES
from brinell.store import RunStore
from brinell.study import Study, run
from brinell.training import Train
from brinell.variants import Variant

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


@pytest.fixture
def member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """The class of a name that a page's only block of Python defines."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(page: str, name: str) -> Any:
        (code,) = blocks(page, "python")
        (tmp_path / f"{name.lower()}_of_the_docs.py").write_text(code)
        return getattr(importlib.import_module(f"{name.lower()}_of_the_docs"), name)

    return load


def test_the_attack_to_begin_with_holds_what_attacks_promise(member: Callable[[str, str], Any]) -> None:
    shift: type[Attack] = member("docs/adding-an-attack.md", "Shift")
    brinell.testing.check_attack(shift)


def test_a_package_of_the_guide_is_found_and_checked(tmp_path: Path) -> None:
    """An installed distribution, as its `pyproject.toml` would make it."""
    page = "docs/other-packages.md"
    (attack,), (script,), (project,) = (
        blocks("docs/adding-an-attack.md", "python"),
        blocks(page, "python"),
        [tomllib.loads(block) for block in blocks(page, "toml")],
    )
    (tmp_path / "brinell_shift.py").write_text(attack)
    information = tmp_path / "brinell_shift-0.1.dist-info"
    information.mkdir()
    name, groups = project["project"]["name"], project["project"]["entry-points"]
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in found.items())
        for group, found in groups.items()
    ]
    (information / "entry_points.txt").write_text("\n".join(lines))
    script += "\nassert brinell.attacks.ATTACKS['shift'] is Shift\n"
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_guide_to_other_packages_names_every_group() -> None:
    named = set(re.findall(r"^\| `(brinell\.\w+)` \|", (ROOT / "docs" / "other-packages.md").read_text(), flags=re.M))
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert named == set(re.findall(r'(?:group=|MemberList\[[^=]*= MemberList\(\s*)"(brinell\.\w+)"', source))


def test_the_compressor_to_begin_with_rounds_resumes_and_saves(
    member: Callable[[str, str], Any], tmp_path: Path, digits: tuple[Dataset, Dataset]
) -> None:
    round_: type[Compressor] = member("docs/adding-a-compressor.md", "Round")
    parent = Variant.of(build("resnet8"), input_shape=(1, 8, 8), classes=10)
    compressor = round_.parse({"levels": 3, "train": {"epochs": 1, "batch_size": 50}})
    assert compressor.train == Train(epochs=1, batch_size=50, learning_rate=0.01)  # type: ignore[attr-defined]
    data = digits[0].take(200)
    made = compressor.compress(parent, data, seed=0, checkpoint=tmp_path / "checkpoint")
    again = compressor.compress(parent, data, seed=0, checkpoint=tmp_path / "checkpoint")
    weights = [name for name in made.tensors if name.endswith(("conv1.weight", "conv2.weight", "linear.weight"))]
    assert len(weights) == costs_layers(made)
    for name in weights:
        assert len(made.tensors[name].unique()) <= 7
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in made.tensors.items())
    assert [step.kind for step in made.lineage] == ["round"]
    write(made, tmp_path / "round.brinell")
    back = read(tmp_path / "round.brinell").tensors
    assert all(torch.equal(tensor, back[name]) for name, tensor in made.tensors.items())


def costs_layers(variant: Variant) -> int:
    return len(costs.layers(variant.deployed(), variant.input_shape))


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What a program prints that runs as a file of its own in `tmp_path`, in this process."""
    monkeypatch.chdir(tmp_path)

    def output_of(code: str) -> str:
        (tmp_path / "script.py").write_text(code)
        runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
        return capsys.readouterr().out

    return output_of


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:clean accuracy is .* no better than chance")
def test_the_first_page_s_script_runs(script: Callable[[str], str], tmp_path: Path) -> None:
    (code,) = blocks("docs/index.md", "python")
    output = script(code)
    assert (tmp_path / "pruned.brinell").is_file()
    clean, robust, nonzero = (float(word) for word in output.split())
    assert 0 <= robust <= clean <= 1
    assert 0 < nonzero < 8 * 27 + 15680


@pytest.mark.slow
@pytest.mark.parametrize(("page", "prepare"), [("docs/attacks.md", "attack"), ("docs/compressors.md", "compress")])
def test_the_families_scripts_run(page: str, prepare: str, script: Callable[[str], str], tmp_path: Path) -> None:
    """As printed, on a model and data of the names that the text uses, with one epoch."""
    (code,) = blocks(page, "python")
    before = """
import torch, brinell
model = brinell.models.build("resnet8")
train = brinell.data.build("digits", split="train", examples=200)
images, labels = brinell.data.build("digits", split="test", examples=40).tensors()
"""
    script(before + code.replace("epochs=2", "epochs=1"))
    assert (tmp_path / "model.brinell").is_file() == (prepare == "compress")


@pytest.mark.slow
def test_the_script_on_models_runs(script: Callable[[str], str], tmp_path: Path) -> None:
    (code,) = blocks("docs/models.md", "python")
    script(code)
    assert (tmp_path / "mine.brinell").is_file()


def test_studies_are_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whole ones: those that name models and variants."""
    monkeypatch.chdir(tmp_path)
    found = [yaml.safe_load(block) for page in PAGES for block in blocks(str(page.relative_to(ROOT)), "yaml")]
    whole = [config for config in found if {"models", "variants"} <= set(config)]
    assert whole
    for config in whole:
        assert Study.parse(Study.parse(config).config()).config() == Study.parse(config).config()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).is_file(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_modules_that_the_text_names_exist(page: Path) -> None:
    groups = {family.group for family in (ATTACKS, COMPRESSORS, MODELS, DATASETS, RUNTIMES, PROBES, RATES)}
    groups |= {family.group for family in (FIGURES, TABLES, IMAGE_GRIDS)}  # of entry points
    for name in sorted({*re.findall(r"`(brinell(?:\.\w+)+)`", page.read_text())} - groups):
        value: object = importlib.import_module("brinell")
        for part in name.split(".")[1:]:
            try:
                value = getattr(value, part)
            except AttributeError:
                value = importlib.import_module(f"{value.__name__}.{part}")  # type: ignore[attr-defined]


def test_the_table_of_training_settings_is_whole() -> None:
    text = (ROOT / "docs" / "compressors.md").read_text().split("## Training")[1].split("\n## ")[0]
    missing = [name for name in Train.model_fields if f"`{name}`" not in text]
    assert not missing
    assert issubclass(Train, Spec)


@pytest.mark.slow
def test_the_pages_build(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        fetched = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(https?://[^\"]+)", page.read_text())
        assert not [link for link in fetched if 'rel="canonical"' not in link], page


@pytest.mark.slow
def test_the_search_on_the_page_of_limits_ends_with_a_confirmed_network(tmp_path: Path) -> None:
    (config,) = [yaml.safe_load(block) for block in blocks("docs/limits.md", "yaml")]
    run(Study.parse(config), out=tmp_path / "run", threads=1)
    found = limit_results(load(RunStore.open(tmp_path / "run")))
    assert len(found) <= config["limits"]["smallest"]["budget"]["variants"]
    assert found["smallest"].sum() == 1
