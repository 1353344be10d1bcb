"""The programs of `shared/cases`, in which wrong numbers were found: each prints what its table says is right."""

from __future__ import annotations

import io
import re
import runpy
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT.parent / "shared" / "cases"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(not CASES.is_dir(), reason=f"needs the programs in {CASES}"),
]


def output_of(name: str) -> list[str]:
    """The lines that a program prints, run in this process; it has to end well."""
    (program,) = CASES.glob(f"{name}_*.py")
    output = io.StringIO()
    with redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(program), run_name="__main__")
    return output.getvalue().splitlines()


def pairs_agree(lines: list[str]) -> None:
    """Line after line, a network and its twin have the same figures: as it is, and where nothing can look inside."""
    figures = [re.findall(r"(?:clean|robust|gradient) (\d+)", line) for line in lines if "probe" not in line]
    assert figures
    assert all(figures)
    assert figures[::2] == figures[1::2]


def taken(lines: list[str]) -> None:
    """Everything works."""
    assert lines
    assert not [line for line in lines if "Error" in line]


def taken_or_refused(lines: list[str]) -> None:
    """Everything works, or is an error of ours."""
    named = [found for line in lines for found in re.findall(r"\b(\w*Error)\b", line)]
    assert lines
    assert set(named) <= {"ConfigurationError", "DataError", "ModelError", "UnsupportedError"}


def int8_is_the_network(lines: list[str]) -> None:
    (found,) = [re.match(r"float ([\d.]+) int8 ([\d.]+)", line) for line in lines]
    assert found
    assert abs(float(found[1]) - float(found[2])) < 0.02


def budgets_are_met(lines: list[str]) -> None:
    taken(lines)
    found = [
        re.match(r"\s+\{'(\w+)': ([\d.]+)\} \{'macs_kept': ([\d.]+), 'sparsity': ([\d.]+)\}", line) for line in lines
    ]
    budgets = [each for each in found if each]
    assert len(budgets) == 6
    for budget in budgets:
        assert float(budget[3] if budget[1] == "macs" else budget[4]) == pytest.approx(float(budget[2]), abs=0.02)
    weights, parameters = map(int, re.findall(r"\d+", next(line for line in lines if line.startswith("tied"))))
    assert (weights, parameters) == (2608, 2666)  # one of the two layers' 16 x 16 x 9 counts


def maps_are_equal(lines: list[str]) -> None:
    assert lines[-1].endswith("differs by up to 0 of 255")


def reparametrised_layers_work(lines: list[str]) -> None:
    """Training of an untrained network may fail by its result; nothing may fail by how the weight is computed."""
    stale, opaque = (line.split()[-1] for line in lines if line.startswith("LocalSearch"))
    assert float(stale) == float(opaque)
    failed = [line for line in lines if "Error" in line]
    assert all("ModelError" in line and "agrees with the network before" in line for line in failed)
    assert len(lines) == 32


def zero_gradients_are_warned_of(lines: list[str]) -> None:
    assert len(lines) == 9
    assert all(line.endswith("warnings 1") for line in lines[:6])
    assert all("ModelError: model: its logits do not depend on its images" in line for line in lines[6:])


def the_twin_has_a_gradient(lines: list[str]) -> None:
    assert len(lines) == 4
    assert all(line.endswith("zero gradient 0 of 100") for line in lines)
    assert all(int(re.findall(r"robust (\d+)%", line)[0]) < 95 for line in lines)


def no_layer_dies(lines: list[str]) -> None:
    assert len(lines) == 8
    for line in lines:
        accuracy, scale, latent = (
            float(re.findall(pattern, line)[0])
            for pattern in (r"compressed ([\d.]+)", r"scale: max (\S+)", r"latent max (\S+)")
        )
        assert accuracy > 0.8
        assert min(scale, latent) > 1e-3


RIGHT: dict[str, Callable[[list[str]], None]] = {
    "f01": pairs_agree,
    "f02": pairs_agree,
    "f03": pairs_agree,
    "f05": taken,
    "f06": int8_is_the_network,
    "f07": budgets_are_met,
    "f08": reparametrised_layers_work,
    "f10": maps_are_equal,
    "f11": taken_or_refused,
    "f12": taken_or_refused,
    "f13": taken,
    "f14": zero_gradients_are_warned_of,
    "f17": taken_or_refused,
    "f18": the_twin_has_a_gradient,
    "f19": no_layer_dies,
    "f20": taken,
}


LARGE = {"f19", "f20"}
"""Many trainings and calibrations, whose rules `compressors/test_coverage.py` and `nn/test_calibration.py` test."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.cross) if name in LARGE else name for name in RIGHT]
)
def test_a_program_prints_what_is_right(name: str) -> None:
    RIGHT[name](output_of(name))


def test_a_shortcut_that_is_written_first_is_attacked() -> None:
    assert output_of("f04") == []
