"""Searches against brute force on problems whose answer is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from brinell.core.domination import undominated
from brinell.limits import (
    Bracketing,
    GeneticSearch,
    Outcome,
    Search,
    SearchedNumber,
    TreeSearch,
    corners,
    filled,
    search_for,
    searched_numbers,
)


def answer(search: Search, problem: Callable[..., Outcome], most: int = 50) -> tuple[tuple[Any, ...] | None, int]:
    """The cheapest that was kept, and after how many proposals the search ended."""
    kept: dict[tuple[Any, ...], float] = {}
    for count in range(most):
        values = search.ask()
        if values is None:
            return min(kept, key=lambda found: kept[found], default=None), count
        outcome = problem(*values)
        search.tell(values, outcome)
        if outcome.kept:
            kept[values] = outcome.cost or 0.0
    return min(kept, key=lambda found: kept[found], default=None), most


@pytest.mark.parametrize("threshold", [0.1000001, 0.13, 0.2, 0.37, 0.5, 0.77, 0.96])
@pytest.mark.parametrize("falls", [False, True])
def test_bracketing_finds_what_a_fine_grid_finds(threshold: float, falls: bool) -> None:
    """Shares to keep (cost rises) and sparsities (cost falls): a grid of 10,000 knows the cheapest that keeps."""

    def problem(value: float) -> Outcome:
        keep = 1 - value if falls else value
        return Outcome(1000 * keep, threshold - keep)

    number = SearchedNumber(("x",), 0.02, 0.9) if falls else SearchedNumber(("x",), 0.1, 0.98)
    grid = np.linspace(number.low, number.high, 10_000)
    best = min(outcome.cost for outcome in map(problem, grid) if outcome.kept)
    found, asked = answer(Bracketing(number), problem)
    assert found is not None
    assert best <= problem(*found).cost * (1 + 1e-3)
    assert problem(*found).cost <= 1.035 * best + 5  # the tolerance, and numbers of three digits
    assert asked <= 9


@pytest.mark.parametrize("threshold", range(2, 18))
def test_integers_and_choices_are_exact(threshold: int) -> None:
    def problem(value: int) -> Outcome:
        return Outcome(value, threshold - value)

    found, asked = answer(Bracketing(SearchedNumber(("bits",), 2, 17, integer=True)), problem)
    assert found == (threshold,)
    assert asked <= 6
    choices = tuple(range(2, 18))
    assert answer(Bracketing(SearchedNumber(("bits",), choices=choices)), problem)[0] == (threshold,)


def test_it_ends_at_once_where_an_end_decides() -> None:
    number = SearchedNumber(("x",), 0.1, 1.0)
    assert answer(Bracketing(number), lambda value: Outcome(value, -1)) == ((0.1,), 2)
    assert answer(Bracketing(number), lambda value: Outcome(value, 1)) == (None, 2)
    assert answer(Bracketing(number), lambda value: Outcome(7, value - 0.5)) == ((0.1,), 2)  # changes no cost


def test_an_end_that_cannot_be_made_is_the_extreme_one() -> None:
    number = SearchedNumber(("x",), 0.1, 1.0)
    found, _ = answer(Bracketing(number), lambda value: Outcome(value if value > 0.3 else None, -1.0))
    assert found is not None
    assert 0.3 < found[0] < 0.32


def test_several_numbers_come_near_the_best_of_a_grid_that_is_five_times_as_large() -> None:
    """Sparsity and bits: bytes fall with both, and the sum of the damages is bounded."""
    pytest.importorskip("optuna", reason="the extra limits is not installed")

    def problem(sparsity: float, bits: int) -> Outcome:
        damage = 0.02 / (1 - sparsity) + 0.5 * 2.0**-bits
        return Outcome(1000 * (1 - sparsity) * bits, damage - 0.15)

    grid = itertools.product(np.linspace(0.5, 0.98, 40), range(2, 7))
    best = min(outcome.cost for outcome in itertools.starmap(problem, grid) if outcome.kept)
    numbers = [SearchedNumber(("sparsity",), 0.5, 0.98), SearchedNumber(("bits",), 2, 6, integer=True)]
    found, _ = answer(search_for(numbers, seed=0), problem, most=40)
    assert found is not None
    assert problem(*found).cost < 1.25 * best


def test_the_tree_search_repeats_itself_for_a_seed_and_bears_failures() -> None:
    pytest.importorskip("optuna", reason="the extra limits is not installed")
    numbers = [SearchedNumber(("a",), 0.1, 1.0), SearchedNumber(("b",), choices=("x", "y"))]

    def problem(a: float, b: str) -> Outcome:
        return Outcome(None if b == "y" and a > 0.7 else a, 0.3 - a)

    def asked(seed: int) -> list[Any]:
        search, found = TreeSearch(numbers, seed=seed), []
        for _ in range(12):
            values = search.ask()
            assert values is not None
            found.append(values)
            search.tell(values, problem(*values))
        return found

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)
    assert all(0.1 <= a <= 1.0 and b in ("x", "y") for a, b in asked(1))
    assert search_for([numbers[1]], seed=0).ask() in (("x",), ("y",))


def test_two_goals_come_near_the_front_of_a_grid() -> None:
    """Bytes fall with bits, time with the kept share, and both hurt; a grid of 400 knows the front."""
    pytest.importorskip("optuna", reason="the extra limits is not installed")

    def problem(keep: float, bits: int) -> Outcome:
        return Outcome(100 * keep * bits, 0.3 / keep + 2.0**-bits - 0.75, 10 * keep + 3 / bits)

    numbers = [SearchedNumber(("keep",), 0.1, 1.0), SearchedNumber(("bits",), 2, 8, integer=True)]
    search = search_for(numbers, seed=0, goals=2)
    assert isinstance(search, GeneticSearch)
    outcomes = []
    for _ in range(60):
        values = search.ask()
        assert values is not None
        outcomes.append(problem(*values))
        search.tell(values, outcomes[-1])
    kept = [outcome.costs for outcome in outcomes if outcome.kept]
    front = [kept[place] for place in undominated(kept)]
    grid = [problem(keep, bits) for keep in np.linspace(0.1, 1, 60) for bits in range(2, 9)]
    best = [outcome.costs for outcome in grid if outcome.kept]
    for goal in (0, 1):
        assert min(costs[goal] for costs in front) < 1.25 * min(costs[goal] for costs in best)
    assert len(front) > 1


@pytest.mark.parametrize("goals", [1, 2])
def test_proposals_do_not_depend_on_the_budget_and_end_where_nothing_new_comes(goals: int) -> None:
    pytest.importorskip("optuna", reason="the extra limits is not installed")
    numbers = [SearchedNumber(("a",), choices=("x", "y")), SearchedNumber(("b",), 2, 3, integer=True)]
    search, asked = search_for(numbers, seed=0, goals=goals), []
    while (values := search.ask()) is not None:
        asked.append(values)
        search.tell(values, Outcome(float(values[1]), 0.0, 1.0))
        assert len(asked) < 300
    assert len(set(asked)) == 4


def test_corners_are_both_ends_and_each_choice_between() -> None:
    numbers = [SearchedNumber(("a",), 0.1, 1.0), SearchedNumber(("b",), choices=("x", "y", "z"))]
    assert list(corners(numbers)) == [(0.1, "x"), (1.0, "z"), (0.1, "y")]


def test_what_no_other_result_beats() -> None:
    costs = [(3, 1), (2, 2), (3, 2), (2, 2), (1, 9)]
    assert undominated(costs) == [0, 1, 4]
    assert undominated([(3,), (1,), (1,)]) == [1]
    assert undominated([]) == []


def test_searched_numbers_are_found_and_filled_wherever_they_stand() -> None:
    chain = [
        {"kind": "prune", "budget": {"sparsity": {"search": [0.5, 0.98]}}},
        {"kind": "inq", "weight_bits": {"search": [5, 3, 4]}, "portions": [0.5, 1.0]},
    ]
    first, second = searched_numbers(chain)
    assert (first.name, first.low, first.high, first.choices) == ("0.budget.sparsity", 0.5, 0.98, ())
    assert (second.name, second.choices) == ("1.weight_bits", (3, 4, 5))
    made = filled(chain, {first.place: 0.7, second.place: 4})
    assert made == [
        {"kind": "prune", "budget": {"sparsity": 0.7}},
        {"kind": "inq", "weight_bits": 4, "portions": [0.5, 1.0]},
    ]
    (bits,) = searched_numbers({"bits": {"search": [2, 5]}})
    assert (bits.integer, bits.ends) == (True, (2, 5))


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (0.5, "expected search"),
        ([0.5], "expected search"),
        ([1.0, 0.1], "a range ascends"),
        ([0.5, 0.5], "nothing lies between 0.5 and 0.5"),
        (["x", "x"], "different choices"),
        ([1, 1, 2], ""),
    ],
)
def test_what_is_no_range_and_no_list_of_choices_is_refused(search: Any, words: str) -> None:
    settings = {"budget": {"macs": {"search": search}}}
    if words:
        with pytest.raises(ValueError, match=rf"budget.macs: .*{words}"):
            list(searched_numbers(settings))
    else:
        assert next(searched_numbers(settings)).choices == (1, 2)
    with pytest.raises(ValueError, match="stands alone"):
        list(searched_numbers({"macs": {"search": [0.1, 1.0], "log": True}}))
