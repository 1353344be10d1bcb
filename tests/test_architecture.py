"""What the project promises about itself: packages, imports, sizes, and that nothing is added without test and docs.

One test a rule; it lists every offender.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
import yaml

import brinell
from brinell.attacks import ATTACKS
from brinell.compressors import COMPRESSORS, RATES
from brinell.core import Registry
from brinell.data import DATASETS
from brinell.models import MODELS, NETWORKS
from brinell.probes import PROBES
from brinell.runtimes import RUNTIMES
from brinell.study import shipped

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "brinell"
PACKAGES = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("_"))
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in FILES}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LONGEST_FILE = 300
LONGEST_BODY = 40
"""Lines of a function between its docstring and its end: a signature of many settings has a line for each."""
MOST_FILES = 20

# Unpickling runs what a file says; so do eval and its like.
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.save", "os.system"}


# Packages


def test_every_package_has_a_docstring_and_exports_what_exists() -> None:
    offenders = []
    for package in PACKAGES:
        module = importlib.import_module(f"brinell.{package}")
        first = (module.__doc__ or "").strip().splitlines()[:1]
        if not first or not first[0].endswith((".", ":")):
            offenders.append(f"{package}: no docstring of one sentence")
        if package == "cli":
            continue  # it offers commands
        exported = list(module.__all__)
        offenders += [f"{package}: {name} stands twice" for name, count in Counter(exported).items() if count > 1]
        offenders += [f"{package}: {name} does not exist" for name in exported if not hasattr(module, name)]
        if not exported:
            offenders.append(f"{package}: exports nothing")
    assert not offenders


def test_every_package_has_its_layer_tests_and_a_line_in_the_architecture() -> None:
    (layers,) = [
        contract["layers"]
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and "brinell.core" in contract["layers"]
    ]
    placed = Counter(name.strip() for layer in layers for name in layer.split("|"))
    page = (ROOT / "docs" / "architecture.md").read_text()
    offenders = [package for package in PACKAGES if placed[f"brinell.{package}"] != 1]
    offenders += [package for package in PACKAGES if not list((ROOT / "tests" / package).glob("test_*.py"))]
    offenders += [name for name in PACKAGES if not re.search(rf"^  {name}/ ", page, flags=re.MULTILINE)]
    assert not offenders


def test_no_package_holds_many_files() -> None:
    counts = {
        str(folder.relative_to(SOURCE)): len([path for path in folder.iterdir() if path.is_file()])
        for folder in {path.parent for path in FILES}
    }
    assert not {folder: count for folder, count in counts.items() if count > MOST_FILES}


def test_packages_that_a_report_needs_are_kept_from_torch() -> None:
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


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for types and inside functions count."""
    graph = grimp.build_graph("brinell", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while removable := {module for module, imported in imports.items() if not imported & imports.keys()}:
        imports = {module: imported for module, imported in imports.items() if module not in removable}
    while removable := imports.keys() - set().union(*imports.values()):
        imports = {module: imported for module, imported in imports.items() if module not in removable}
    assert not sorted(imports)


def test_public_functions_and_packages_have_different_names() -> None:
    functions = {name for name in brinell.__all__ if callable(getattr(brinell, name))}
    known = {"archive", "attack", "compress", "limit", "load", "publish", "report", "restore", "run", "save"}
    assert functions == known
    assert not functions & set(PACKAGES)


# Members


def members(*registries: Registry[object]) -> Iterator[tuple[str, type]]:
    for registry in registries:
        for kind in registry:
            yield kind, registry[kind]


FAMILIES = [("attacks", kind, member) for kind, member in members(ATTACKS)] + [
    ("compressors", kind, member) for kind, member in members(COMPRESSORS)
]


def test_every_member_has_its_own_file_and_test_file() -> None:
    offenders = [
        kind
        for family, kind, member in FAMILIES
        if member.__module__ != f"brinell.{family}.{kind}"
        or not (ROOT / "tests" / family / f"test_{kind}.py").is_file()
    ]
    assert not offenders


def test_every_member_has_a_row_and_a_paragraph_in_the_docs() -> None:
    offenders = []
    for family, kind, member in FAMILIES:
        page, name = (ROOT / "docs" / f"{family}.md").read_text(), member.__name__
        rows = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
        if len(rows) != 1 or f"[{name}](#{name.lower()})" not in rows[0]:
            offenders.append(f"{kind}: no row in docs/{family}.md")
        paragraphs = re.findall(rf"^### {name}$(.*?)(?=^##|\Z)", page, flags=re.MULTILINE | re.DOTALL)
        settings = member.model_fields  # type: ignore[attr-defined]
        missing = [field for field in settings if not re.search(rf"`{field}[`:]", "".join(paragraphs))]
        if len(paragraphs) != 1 or missing:
            offenders.append(f"{kind}: docs/{family}.md does not say what these settings do: {', '.join(missing)}")
    assert not offenders


def test_the_docs_describe_no_member_that_does_not_exist() -> None:
    for family in ("attacks", "compressors"):
        rows = re.findall(r"^\| `(\w+)` \| \[", (ROOT / "docs" / f"{family}.md").read_text(), flags=re.MULTILINE)
        assert sorted(rows) == sorted(kind for name, kind, _ in FAMILIES if name == family)


def test_members_are_final() -> None:
    """Shared mechanism is functions, not inheritance."""
    for _, found in members(ATTACKS, COMPRESSORS, RATES, MODELS, DATASETS):
        assert not [child for child in found.__subclasses__() if child.__module__.startswith("brinell.")]


# Names of members

FAMILIES_BY_NAME = (ATTACKS, COMPRESSORS, RATES, DATASETS, NETWORKS, PROBES, RUNTIMES)
ORDINARY_WORDS = {
    *(
        "arrays",
        "auto",
        "corruptions",
        "custom",
        "energy",
        "exported",
        "images",
        "int8",
        "latency",
        "layers",
        "masking",
    ),
    *(
        "onnx",
        "onnxruntime",
        "openvino",
        "sparse",
        "square",
        "timm",
        "torchvision",
        "uniform",
        "huggingface",
        "gallery",
    ),
    *("dns", "prune"),
}
"""Kinds that are words of other meanings, too: files, modules, sections of the page. They count beside `kind` only."""
MAY_NAME_MEMBERS = {
    "attacks/auto_attack.py": "AutoAttack is defined as these attacks in this order (Croce and Hein, 2020)",
    "cli/arguments/": "the notation of networks and data on the command line, for files of each kind",
    "cli/init.py": "the notation of networks and data on the command line",
    "reporting/layout.py": "sections of the page, some of which are called after a probe",
    "study/config/limits.py": "the attack that screens networks where a study names none",
    "study/draft.py": "the study that `brinell init` begins with",
    "study/limit_config.py": "the searches that `brinell limit` begins with",
    "testing/example_networks.py": "the data that members are tested on",
}
"""Files, or folders, that name members of others, and why.

`reference` does not count: it is the runtime that all others are checked against.
"""


def named_members(path: str, tree: ast.AST) -> Iterator[str]:
    """Kinds of members that a module writes as text, other than its own: in any place, or those of `ORDINARY_WORDS`
    beside `kind` and in collections of several kinds of one family."""
    module = "brinell." + path.removesuffix(".py").replace("/", ".")
    families = [{kind for kind in family if family[kind].__module__ != module} for family in FAMILIES_BY_NAME]
    kinds = set().union(*families) - {"reference"}
    own: set[int] = set()
    beside_kind: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if ast.unparse(targets[0]) in ("kind", "__all__") and node.value is not None:
                own |= {id(part) for part in ast.walk(node.value)}
        if isinstance(node, ast.keyword) and node.arg in ("section", "name", "title"):
            own |= {id(part) for part in ast.walk(node.value)}
        for place in places_of_kinds(node, families):
            beside_kind |= {id(part) for part in ast.walk(place)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node.value not in kinds or id(node) in own:
            continue
        if node.value not in ORDINARY_WORDS or id(node) in beside_kind:
            yield f"line {node.lineno}: {node.value!r}"


def places_of_kinds(node: ast.AST, families: list[set[str]]) -> Iterator[ast.AST]:
    """Parts of a node in which a text that is some kind is meant as that kind."""
    if isinstance(node, ast.keyword) and node.arg == "kind":
        yield node.value
    if isinstance(node, ast.Compare) and re.search(r"\bkind\b", ast.unparse(node)):
        yield node
    if isinstance(node, ast.Dict):
        yield from (
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None and ast.unparse(key) == "'kind'"
        )
    if isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Set):
        parts = [part for part in (node.keys if isinstance(node, ast.Dict) else node.elts) if part is not None]
        texts = {part.value for part in parts if isinstance(part, ast.Constant)}
        if any(len(texts & kinds) > 1 for kinds in families):
            yield from parts


def test_members_are_known_by_name_in_their_own_file_only() -> None:
    found = {path: sorted(set(named_members(path, tree))) for path, tree in TREES.items()}
    found = {path: names for path, names in found.items() if names}
    assert not {path: names for path, names in found.items() if not path.startswith(tuple(MAY_NAME_MEMBERS))}
    assert not [exception for exception in MAY_NAME_MEMBERS if not any(path.startswith(exception) for path in found)]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("if attack.kind == 'pgd': pass", 1),
        ("AXES = {'local_search': 3}", 1),
        ("probes = {'kind': 'energy'}", 1),
        ("if probe.kind in ('energy', 'latency'): pass", 2),
        ("frame.filter(kind='latency')", 1),
        ("RECORDS = {'energy': 1, 'latency': 2}", 2),
        ("figure(section='energy')", 0),
        ("load('images')", 0),
        ("class Own: kind = 'pgd'", 0),
    ],
)
def test_the_search_for_names_of_members_finds_them(code: str, found: int) -> None:
    assert len(set(named_members("study/plan.py", ast.parse(code)))) == found


# Files


def unsafe(tree: ast.AST) -> Iterator[str]:
    """What of a module runs what a file says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (
                called in FORBIDDEN_CALLS
                or (called == "torch.load" and settings.get("weights_only") != "True")
                or settings.get("allow_pickle", "False") != "False"
                or settings.get("shell", "False") != "False"
            ):
                yield ast.unparse(node)


def test_nothing_runs_what_a_file_says() -> None:
    assert not {path: found for path, tree in TREES.items() if (found := list(unsafe(tree)))}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "torch.load(x)", "torch.load(x, weights_only=False)", "exec(x)"],
)
def test_the_search_for_such_code_finds_it(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


def test_files_and_functions_are_short() -> None:
    offenders = []
    for path, tree in TREES.items():
        if (length := len((SOURCE / path).read_text().splitlines())) > LONGEST_FILE:
            offenders.append(f"{path}: {length} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if length > LONGEST_BODY:
                    offenders.append(f"{path}: {node.name} has {length} lines")
    assert not offenders


def test_no_work_is_left_in_comments() -> None:
    assert not [path for path in FILES if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text())]


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
