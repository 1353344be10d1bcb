"""What steps noted becomes rows; what is not as it should be is named, and what has only the name passed over."""

from __future__ import annotations

from typing import Any

import pytest

from brinell.analysis.records.compressor_logs import CompressorLogs, compressor_logs


def of(*figures: dict[str, Any]) -> tuple[CompressorLogs, list[str]]:
    """From the figures of one variant's steps, and the problems."""
    problems: list[str] = []
    return compressor_logs({"small": [{"kind": "step", "figures": each} for each in figures]}, problems), problems


AMC: dict[str, Any] = {
    "reward": "robust_accuracy",
    "examples": 50,
    "uniform": 0.4,
    "uniform_rates": {"a": 0.5},
    "random_episodes": 1,
    "episodes": {"episode": [1, 2, 3], "score": [0.3, 0.1, 0.6]},
}
SURGERY = {"phase": [1, 1, 2], "step": [0, 4, 0], "pruned": [8, 1, 0], "spliced": [1, 2, 0], "left": [3, 4, 5]}


def test_episodes_know_the_best_so_far_and_who_drew_them() -> None:
    found, problems = of({"amc": AMC})
    assert found.searches.rows() == [
        ("small", "robust_accuracy", 50, 1, True, 0.3, 0.3, 0.4),
        ("small", "robust_accuracy", 50, 2, False, 0.1, 0.3, 0.4),
        ("small", "robust_accuracy", 50, 3, False, 0.6, 0.6, 0.4),
    ]
    assert not problems


def test_a_record_of_an_older_version_lacks_what_was_not_noted_then() -> None:
    old = {name: value for name, value in AMC.items() if name not in ("uniform_rates", "random_episodes")}
    found, problems = of({"amc": old, "units": {"a": 0.25}})
    assert found.searches["random"].to_list() == [None, None, None]
    assert found.rates.rows() == [("small", "a", 0.25, None, None)]
    assert not problems


def test_rates_are_in_the_networks_order() -> None:
    found, _ = of({"kept": {"b": 0.1, "a": 0.2}, "units": {"a": 0.5}, "amc": AMC})
    assert found.rates.rows() == [("small", "b", None, None, 0.1), ("small", "a", 0.5, 0.5, 0.2)]


def test_shares_are_of_the_weights_before_the_first_cut_of_a_phase() -> None:
    found, _ = of({"surgery": SURGERY})
    assert found.surgeries.rows() == [
        ("small", 1, 0, 8, 1, 3, 10, 0.3),
        ("small", 1, 4, 1, 2, 4, 10, 0.4),
        ("small", 2, 0, 0, 0, 5, 5, 1.0),
    ]


def test_no_weights_have_no_share() -> None:
    nothing = {name: [0] for name in SURGERY}
    assert of({"surgery": nothing})[0].surgeries["left_share"].to_list() == [None]


def test_an_ancestors_steps_are_its_own() -> None:
    found, problems = of({"surgery": SURGERY, "kept": {"a": 0.5}}, {"sparsity": 0.5})
    assert found.surgeries.is_empty()
    assert found.rates.is_empty()
    assert found.searches.is_empty()
    assert not problems


def test_others_may_use_the_names_for_something_else() -> None:
    found, problems = of({"kept": 0.5, "units": "all", "amc": None, "surgery": [1, 2]})
    assert found.rates.is_empty()
    assert found.surgeries.is_empty()
    assert not problems


@pytest.mark.parametrize(
    ("figures", "place"),
    [
        ({"amc": {"reward": "accuracy"}}, "amc.examples"),
        ({"amc": {**AMC, "episodes": {"episode": [1], "score": []}}}, "amc.episodes"),
        ({"amc": {**AMC, "uniform": float("nan")}}, "amc.uniform"),
        ({"surgery": {**SURGERY, "left": [1]}}, "surgery"),
        ({"kept": {"a": "half"}}, "kept.a"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(figures: dict[str, Any], place: str) -> None:
    found, problems = of(figures)
    assert found.searches.is_empty()
    assert found.rates.is_empty()
    assert found.surgeries.is_empty()
    (problem,) = problems
    assert problem.startswith(f"What small noted is not drawn: {place}")
