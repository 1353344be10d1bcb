"""The page on the format is true: the reader printed there reads every kind of file to the same bits."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from brinell.container import write
from brinell.container.bit_patterns import DTYPES
from brinell.container.codings import CODINGS
from container.samples import VARIANTS, bits, taken_apart

PAGE = Path(__file__).parents[2] / "docs" / "file-format.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The page's own code, as a module."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert set(re.findall(r"^import (.*)|^from (\w+)", code, re.MULTILINE)) == {("json, math, struct, zlib", "")}
    path = tmp_path_factory.mktemp("page") / "reader.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("reader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", VARIANTS)
def test_the_printed_reader(tmp_path: Path, reader: ModuleType, name: str) -> None:
    variant = VARIANTS[name]()
    write(variant, tmp_path / "v", effort="fast")
    header, tensors = reader.read(tmp_path / "v")
    assert header["classes"] == 10
    assert tensors.keys() == variant.tensors.keys()
    for tensor_name, (dtype, shape, data) in tensors.items():
        tensor = variant.tensors[tensor_name]
        assert (dtype, shape) == (str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
        assert data == bits(tensor).numpy().tobytes()


def test_the_samples_use_every_coding_and_every_way_to_tell_places(tmp_path: Path) -> None:
    kinds, where, types = set(), set(), set()
    for make in VARIANTS.values():
        write(make(), tmp_path / "v", effort="fast")
        for section in taken_apart((tmp_path / "v").read_bytes())[0]["sections"]:
            coding = section["coding"]
            kinds.add(coding["kind"])
            where.add((coding["kind"], coding.get("where") or coding.get("codes", {}).get("where")))
            types.add(section["dtype"])
    assert kinds == set(CODINGS)
    assert types == set(DTYPES)
    assert {way for _, way in where} == {"all", "gaps", "mask", None}


def test_the_page_names_every_coding_and_type() -> None:
    page = PAGE.read_text()
    for name in [*CODINGS, *DTYPES]:
        assert f"`{name}`" in page
