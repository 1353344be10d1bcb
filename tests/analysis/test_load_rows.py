"""All rows of a run as one frame."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis import load, load_rows
from brinell.core import ROW_SCHEMA, StoreError
from brinell.store import RunStore
from brinell.study import Study, run
from study.conftest import TINY


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("rows") / "tiny"
    (root.parent / "tiny.yaml").write_text(TINY)
    return run(Study.from_yaml(root.parent / "tiny.yaml"), out=root, threads=1)


def test_every_row_has_the_names_of_what_it_belongs_to(done):
    rows = load_rows(done)
    names = ["variant", "crafted_on", "variant_seed", "attack", "kind", "seed", "norm"]
    assert rows.columns == [*names, *ROW_SCHEMA]
    assert len(rows) == 2 * 40 * (1 + 2 + 2)
    assert set(rows["variant"]) == {"base", "pruned"}
    assert set(rows["attack"]) == {"clean", "fgsm", "pgd"}
    evaluation = load(RunStore(done.root))
    means = (
        rows.filter(pl.col("attack") != "clean")
        .group_by("variant", "attack", "seed", "epsilon", "steps")
        .agg(accuracy=(pl.col("rank") == 0).mean())
        .sort("variant", "attack", "epsilon", "steps")
    )
    readings = evaluation.readings.filter(pl.col("attack") != "clean").sort("variant", "attack", "epsilon", "steps")
    assert means["accuracy"].to_list() == pytest.approx(readings["robust_accuracy"].to_list())


def test_rows_of_one_variant_and_of_one_attack(done):
    assert set(load_rows(done, variant="pruned")["variant"]) == {"pruned"}
    assert len(load_rows(done, variant="base", attack="clean")) == 40
    assert load_rows(done, attack="none").is_empty()


def test_what_is_not_measured_has_no_rows_and_no_run_is_an_error(done, tmp_path):
    with pytest.raises(StoreError, match="is not a run's folder"):
        load_rows(tmp_path)
