"""How numbers read."""

from __future__ import annotations

import pytest

from brinell.reporting import formats
from brinell.reporting.formats import MISSING


@pytest.mark.parametrize(
    ("epsilon", "norm", "text"),
    [
        (2 / 255, "linf", "2/255"),
        (0.5 / 255, "linf", "0.5/255"),
        (16 / 255, "linf", "16/255"),
        (0.1, "linf", "25.5/255"),
        (0.0, "linf", "0"),
        (0.5, "l2", "0.5"),
        (1 / 3, "l2", "0.333"),
        (None, "linf", "minimum norm"),
    ],
)
def test_radii_are_said_over_255(epsilon: float | None, norm: str, text: str) -> None:
    assert formats.radius(epsilon, norm) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0\u202fB"), (999, "999\u202fB"), (21_760, "21.8\u202fkB"), (300_412, "300\u202fkB"), (1.5e6, "1.50\u202fMB")],
)
def test_bytes(value: float, text: str) -> None:
    assert formats.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.096, "0.096"), (40_551_040, "40.6\u202fM"), (1_814_073_344, "1.81\u202fG"), (999, "999")],
)
def test_quantities(value: float, text: str) -> None:
    assert formats.quantity(value) == text


def test_shares_and_differences() -> None:
    assert formats.percent(0.9725) == "97.2%"
    assert formats.percent(-0.0001) == "0.0%"
    assert formats.percent(-0.05) == "\u22125.0%"
    assert formats.interval(0.951, 0.9846) == "95.1\u201398.5"
    assert (formats.percentage_points(0.145), formats.percentage_points(-0.002), formats.percentage_points(0.0)) == (
        "+14.5",
        "\u22120.2",
        "0.0",
    )
    assert formats.ratio(14.802) == "14.8\u00d7"
    assert (formats.times(5.0966), formats.times(123.4)) == ("5.1\u00d7", "123\u00d7")
    assert (formats.chance(2e-9), formats.chance(0.0523)) == ("p < 0.001", "p = 0.052")
    assert (formats.chance(0.0497), formats.chance(0.05), formats.chance(0.0502)) == (
        "p = 0.0497",
        "p = 0.05",
        "p = 0.05",
    )
    assert formats.chance(0.049999) == "p = 0.049999"


def test_unknown_is_said() -> None:
    unknown = [formats.percent(None), formats.size(None), formats.quantity(None), formats.ratio(None)]
    assert set(unknown) == {MISSING}
    assert formats.interval(None, None) == ""


def test_words() -> None:
    assert [formats.listing(list("abc")[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert (formats.pluralize(1, "seed"), formats.pluralize(1200, "seed")) == ("1 seed", "1,200 seeds")
    name = "a" * 100 + "-the-end"
    assert len(formats.elided(name)) == 44
    assert formats.elided(name).endswith("-the-end")
    assert formats.elided("short") == "short"


def test_settings_leave_out_what_is_swept() -> None:
    spec = {"kind": "pgd", "revision": 1, "epsilon": 0.1, "steps": 5, "norm": "linf", "step_size": 0.5 / 255,
            "random_start": True, "targets": None, "confidence": 0.25}  # fmt: skip
    assert formats.settings(spec) == "norm linf, step_size 0.5/255, random_start on, confidence 0.25"
