"""Every two variants on the examples that both met, against counting them one by one."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from brinell.analysis.significance.pairwise_counts import BETWEEN_SCHEMA, Outcomes, pairwise_counts

TYPES = {"example_id": pl.Int64, "epsilon": pl.Float64, "steps": pl.Int32, "correct": pl.Boolean}

Right = dict[int, bool]


def outcomes(variant: str, right: Right, attack: str = "fgsm", seed: int = 0, epsilon: float | None = 0.1) -> Outcomes:
    rows = [(example, epsilon, 1, correct) for example, correct in right.items()]
    return Outcomes.of(pl.DataFrame(rows, schema=TYPES, orient="row"), variant=variant, attack=attack, seed=seed)


@given(st.lists(st.dictionaries(st.integers(0, 12), st.booleans(), min_size=1), min_size=2, max_size=4))
def test_counts_the_examples_that_only_one_gets_right(rights: list[Right]) -> None:
    frame = pairwise_counts([outcomes(str(place), right) for place, right in enumerate(rights)])
    assert frame.schema == BETWEEN_SCHEMA
    assert len(frame) == len(rights) * (len(rights) - 1) // 2
    for row in frame.iter_rows(named=True):
        one, other = rights[int(row["one"])], rights[int(row["other"])]
        shared = one.keys() & other.keys()
        assert row["examples"] == len(shared)
        assert row["only_one"] == sum(one[example] and not other[example] for example in shared)
        assert row["only_other"] == sum(other[example] and not one[example] for example in shared)


def test_only_the_same_attack_strength_and_seed_meet() -> None:
    right = {0: True, 1: False}
    base = outcomes("a", right)
    others = [
        outcomes("b", right, attack="bim"),
        outcomes("c", right, seed=1),
        outcomes("d", right, epsilon=0.2),
    ]
    assert pairwise_counts([base, *others]).is_empty()
    frame = pairwise_counts([outcomes("a", right, epsilon=None), outcomes("e", {0: False, 1: False}, epsilon=None)])
    assert frame.select("one", "other", "epsilon", "steps", "seed", "only_one", "only_other").row(0) == (
        *("a", "e", None, 1, 0),
        *(1, 0),
    )
