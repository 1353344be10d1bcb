"""The reference is complete, and its examples run: every public function and every setting is described."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator

import pytest
import torch

import brinell
from brinell.core import Spec

PACKAGES = (
    *("attacks", "compressors", "container", "costs", "data", "models", "probes", "runs", "runtimes", "study"),
    *("testing", "training"),
)
NEEDS_AN_EXTRA = {
    *("container.export_onnx", "container.export_openvino", "runs.publish", "runtimes.ONNXRuntime"),
    "runtimes.OpenVINO",
}
"""Examples would need the extra to be installed."""
NEEDS_ONNX = {
    *(f"nn.onnx_graph.{name}" for name in ("check_shapes", "count_int8_weights", "int8_mac_share", "open_session")),
    *(f"nn.onnx_graph.{name}" for name in ("open_stranger", "parse", "quantize", "run_session", "to_onnx")),
    *("nn.graph.read_exported", "nn.graph.read_onnx", "nn.onnx_graph.weight_bits"),
}
"""Examples would need a graph; tests of each make one."""
NEEDS_A_RUN = {
    *("analysis.load", "analysis.norm_of", "analysis.papers.comparison", "analysis.papers.findings"),
    *("analysis.papers.findings_table", "analysis.papers.reproduction", "analysis.papers.unknown_references"),
    *(f"analysis.requirements.{name}" for name in ("decide", "measured_cost", "requirements", "verdict")),
    *("reporting.dossier.dossier", "reporting.dossier.print_pdf", "reporting.dossier.write_dossier"),
    *("reporting.figures.figures", "reporting.image_grids.image_grids", "reporting.tables.tables"),
    *("reporting.write", "reporting.write_with_problems", "store.restore_archive", "store.write_archive"),
}
"""Examples would need a run's folder, as those of `runs` and `study` make; tests of each write one."""
NEEDS_FILES = {
    *("container.read_deep_compression", "container.read_latent", "container.write_latent", "data.Arrays"),
    *("data.Cifar10", "data.HuggingFace", "data.ImageFiles", "data.ImageNet"),
}
"""Examples are entries of a study, or would need such files; tests of each read them."""


def public() -> Iterator[tuple[str, object]]:
    for package in PACKAGES:
        module = importlib.import_module(f"brinell.{package}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, Spec)):
                yield f"{package}.{name}", value


def public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Those of every package, inner ones as well, each by the name of the outermost that exports it."""
    found = set()
    packages = [module.name for module in pkgutil.walk_packages(brinell.__path__, "brinell.") if module.ispkg]
    for package in sorted(packages, key=lambda name: name.count(".")):
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isfunction(value) and value not in found and package != "brinell.cli":
                found.add(value)
                yield f"{package.removeprefix('brinell.')}.{name}", value


FUNCTIONS = dict(public_functions())
PUBLIC = {**dict(public()), **FUNCTIONS}
EXAMPLES = [name for name, value in PUBLIC.items() if ">>> " in (inspect.getdoc(value) or "")]


def abstract(value: object) -> bool:
    return inspect.isclass(value) and "kind" not in vars(value)


def described_fields(spec: type[Spec]) -> set[str]:
    """Fields with a docstring below them, in the class or in one that it inherits from."""
    described = set()
    for base in spec.__mro__:
        if not base.__module__.startswith("brinell."):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            documented = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if documented and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                described.add(field.target.id)
    return described


def test_every_setting_is_described() -> None:
    offenders = [
        f"{name}: {field}"
        for name, value in PUBLIC.items()
        if inspect.isclass(value) and issubclass(value, Spec)
        for field in sorted(set(value.model_fields) - described_fields(value))
    ]
    assert not offenders


def test_every_public_function_and_spec_has_a_docstring_with_an_example() -> None:
    exempt = NEEDS_AN_EXTRA | NEEDS_ONNX | NEEDS_A_RUN | NEEDS_FILES
    offenders = [name for name, value in PUBLIC.items() if not (value.__doc__ or "").strip()]
    offenders += [
        f"{name}: no example"
        for name, value in PUBLIC.items()
        if name not in EXAMPLES and name not in exempt and not abstract(value)
    ]
    assert not offenders


def undescribed(function: Callable[..., object]) -> Iterator[str]:
    """Sections that the docstring lacks, though the signature has something for them."""
    signature, text = inspect.signature(function), inspect.getdoc(function) or ""
    if signature.parameters and "\nArgs:\n" not in text:
        yield "Args"
    if signature.return_annotation not in (None, "None") and not re.search(r"\n(Returns|Yields):\n", text):
        yield "Returns"
    listed = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
    described = set(re.findall(r"\w+", " ".join(re.findall(r"^    ([\w*, ]+)(?: \(.*\))?:", listed, flags=re.M))))
    if "Other arguments are those of" not in text:
        yield from (name for name in signature.parameters if listed and name not in described)


def test_every_public_function_describes_its_arguments_and_its_result() -> None:
    offenders = {name: missing for name, value in FUNCTIONS.items() if (missing := list(undescribed(value)))}
    assert not offenders


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str) -> None:
    """With the names of its own package, as a reader of that page has them."""
    value = PUBLIC[name]
    names = {**vars(importlib.import_module(f"brinell.{name.rpartition('.')[0]}"))}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", names, name, None, None)
    output: list[str] = []
    with torch.random.fork_rng():
        failed = doctest.DocTestRunner(verbose=False).run(example, out=output.append).failed
    assert example.examples
    assert not failed, "".join(output)


def test_the_top_level_has_no_other_functions() -> None:
    """So that whatever is public is checked here, or belongs to a package that is not."""
    others = [name for name in brinell.__all__ if inspect.isfunction(getattr(brinell, name))]
    known = {"archive", "attack", "compress", "limit", "load", "publish", "report", "restore", "run", "save"}
    assert set(others) <= known
