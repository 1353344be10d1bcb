"""The covering design: each row with each group, each column, none twice, and nothing lost."""

from __future__ import annotations

from covering import covering_pairs

ROWS = [f"row {number}" for number in range(20)]
COLUMNS = ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3"]
PAIRS = covering_pairs(ROWS, COLUMNS, each=2, group=lambda column: column[0])
CHOSEN = [pair.values for pair in PAIRS if not pair.marks]


def test_all_pairs_are_listed_once() -> None:
    assert sorted(pair.values for pair in PAIRS) == sorted((row, column) for row in ROWS for column in COLUMNS)
    assert {mark.name for pair in PAIRS for mark in pair.marks} == {"cross"}


def test_each_row_meets_two_of_each_group() -> None:
    for row in ROWS:
        assert sorted(column[0] for chosen, column in CHOSEN if chosen == row) == ["a", "a", "b", "b"]


def test_rows_next_to_each_other_meet_all_columns_between_them() -> None:
    for first in range(len(ROWS) - 2):
        near = ROWS[first : first + 3]
        assert {column for row, column in CHOSEN if row in near} == set(COLUMNS)


def test_a_group_smaller_than_what_is_wanted_is_taken_whole() -> None:
    assert not any(pair.marks for pair in covering_pairs(ROWS, ["a"], each=3))
