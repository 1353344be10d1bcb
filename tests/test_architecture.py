"""What the house promises about itself: rooms, imports, sizes, and that nothing is added without test and docs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import brinell
from brinell.attacks import ATTACKS
from brinell.compressors import COMPRESSORS, RATES
from brinell.core import Registry
from brinell.data import DATASETS
from brinell.models import MODELS
from brinell.study import shipped

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "src" / "brinell"
ROOMS = sorted(path.name for path in HOUSE.iterdir() if path.is_dir() and not path.name.startswith("_"))
FILES = sorted(HOUSE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LONGEST_FILE = 350
LONGEST_FUNCTION = 60

# Unpickling runs what a file says; so do eval and its like.
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.save", "os.system"}

room = pytest.mark.parametrize("room", ROOMS)
file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


# Rooms


@room
def test_every_room_says_what_it_is_and_what_it_offers(room: str) -> None:
    module = importlib.import_module(f"brinell.{room}")
    assert (module.__doc__ or "").strip()
    assert (module.__doc__ or "").splitlines()[0].endswith((".", ":"))
    if room == "cli":
        return  # it offers commands
    offered = module.__all__
    assert offered
    assert len(set(offered)) == len(offered)
    assert all(hasattr(module, name) for name in offered)


@room
def test_every_room_has_its_place_in_the_order_of_imports(room: str) -> None:
    (layers,) = [
        contract["layers"] for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"
    ]
    placed = [name.strip() for layer in layers for name in layer.split("|")]
    assert placed.count(f"brinell.{room}") == 1


@room
def test_every_room_is_tested_and_described(room: str) -> None:
    assert list((ROOT / "tests" / room).glob("test_*.py"))
    assert re.search(rf"^  {room}/ ", (ROOT / "docs" / "architecture.md").read_text(), flags=re.MULTILINE)


def test_rooms_that_a_report_needs_are_kept_from_torch() -> None:
    (contract,) = [
        contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "forbidden"
    ]
    assert set(contract["source_modules"]) == {f"brinell.{name}" for name in ("core", "store", "analysis", "reporting")}
    assert "torch" in contract["forbidden_modules"]


def test_the_import_contracts_hold() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_verbs_and_rooms_have_different_names() -> None:
    verbs = {name for name in brinell.__all__ if callable(getattr(brinell, name))}
    assert verbs == {"attack", "compress", "load", "report", "run", "save"}
    assert not verbs & set(ROOMS)


# Members


def members(*registries: Registry[object]) -> Iterator[tuple[str, type]]:
    for registry in registries:
        for kind in registry:
            yield kind, registry[kind]


FAMILIES = [("attacks", kind, member) for kind, member in members(ATTACKS)] + [
    ("compressors", kind, member) for kind, member in members(COMPRESSORS)
]
member = pytest.mark.parametrize(("family", "kind", "member"), FAMILIES, ids=[kind for _, kind, _ in FAMILIES])


@member
def test_every_member_has_its_own_file_and_test_file(family: str, kind: str, member: type) -> None:
    assert member.__module__ == f"brinell.{family}.{kind}"
    assert (ROOT / "tests" / family / f"test_{kind}.py").is_file()


@member
def test_every_member_has_a_row_and_a_paragraph_in_the_docs(family: str, kind: str, member: type) -> None:
    page = (ROOT / "docs" / f"{family}.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
    assert f"[{member.__name__}](#{member.__name__.lower()})" in row
    (paragraph,) = re.findall(rf"^### {member.__name__}$(.*?)(?=^##|\Z)", page, flags=re.MULTILINE | re.DOTALL)
    settings = member.model_fields  # type: ignore[attr-defined]
    missing = [name for name in settings if not re.search(rf"`{name}[`:]", paragraph)]
    assert not missing, f"docs/{family}.md does not say what these settings of {kind} do"


@pytest.mark.parametrize("family", ["attacks", "compressors"])
def test_the_docs_describe_no_member_that_does_not_exist(family: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| \[", (ROOT / "docs" / f"{family}.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(kind for name, kind, _ in FAMILIES if name == family)


def test_members_are_final() -> None:
    """Shared mechanism is functions, not inheritance."""
    for _, found in members(ATTACKS, COMPRESSORS, RATES, MODELS, DATASETS):
        assert not [child for child in found.__subclasses__() if child.__module__.startswith("brinell.")]


# Files


@file
def test_nothing_that_runs_what_a_file_says(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert called not in FORBIDDEN_CALLS
            if called == "torch.load":
                assert settings.get("weights_only") == "True"
            assert settings.get("allow_pickle", "False") == "False"
            assert settings.get("shell", "False") == "False"


def test_the_search_for_such_code_finds_it(tmp_path: Path) -> None:
    for number, code in enumerate(
        ["import pickle", "from joblib import load", "torch.load(x)", "torch.load(x, weights_only=False)", "exec(x)"]
    ):
        path = tmp_path / f"{number}.py"
        path.write_text(code)
        with pytest.raises(AssertionError):
            test_nothing_that_runs_what_a_file_says(path)


@file
def test_a_file_is_one_idea(path: Path) -> None:
    length = len(path.read_text().splitlines())
    assert length <= LONGEST_FILE, f"{length} lines: split it"


@file
def test_a_function_fits_a_screen(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.body[0] if ast.get_docstring(node) else None
            docstring = 0 if said is None else (said.end_lineno or 0) - said.lineno + 1
            length = (node.end_lineno or 0) - node.lineno + 1 - docstring
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines: split it"


@file
def test_no_work_is_left_in_comments(path: Path) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text())


def test_nothing_names_a_place_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split() if listed.returncode == 0 else [str(path.relative_to(ROOT)) for path in FILES]
    local = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/\w")
    for name in names:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".html"} and path.is_file():
            assert not local.search(path.read_text(encoding="utf-8")), name


# Pages


def pages(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, list):
                yield from pages(value)
            else:
                yield str(value)


def test_every_page_is_in_the_navigation() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert set(pages(site["nav"])) == written


def test_the_docs_fetch_nothing() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert site["strict"] is True
    assert site["theme"]["font"] is False
    assert not site.get("extra_javascript")
    assert not site.get("extra_css")


def test_the_docs_name_every_study_that_ships() -> None:
    page = (ROOT / "docs" / "studies.md").read_text()
    assert all(f"`{name}`" in page for name in shipped())
