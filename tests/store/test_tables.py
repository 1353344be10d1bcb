"""Tables: exactly their schema, bit-equal after a round trip, refused when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from brinell.core import ROW_SCHEMA, TRACE_SCHEMA, StoreError
from brinell.store import frame_of_schema, read_footer, read_table, write_table

SCHEMA = {"id": "int64", "name": "string", "value": "float32?", "flag": "bool?"}


def test_columns_come_in_the_order_and_type_of_the_schema() -> None:
    frame = frame_of_schema({"value": [0.5, 1], "name": ["a", "b"], "id": np.array([1, 2], dtype=np.int16)}, SCHEMA)
    assert frame.schema == {"id": pl.Int64, "name": pl.String, "value": pl.Float32, "flag": pl.Boolean}
    assert frame["flag"].to_list() == [None, None]


def test_masked_cells_are_null() -> None:
    masked = np.ma.masked_array(np.array([0.1, 0.2], dtype=np.float32), [True, False])
    frame = frame_of_schema({"id": [1, 2], "name": ["a", "b"], "value": masked}, SCHEMA)
    assert frame["value"].to_list() == [None, float(np.float32(0.2))]
    with pytest.raises(StoreError, match="column 'id' has 1 nulls"):
        frame_of_schema({"id": np.ma.masked_array([1, 2], [True, False]), "name": ["a", "b"]}, SCHEMA)


def test_a_table_may_be_empty() -> None:
    assert frame_of_schema({"id": [], "name": []}, SCHEMA).shape == (0, 4)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1], "name": ["a"], "nmae": ["b"]}, r"columns \['nmae'\] are not in the schema"),
        ({"id": [1]}, "column 'name' is missing and may not be null"),
        ({"id": [1], "name": None}, "column 'name' is missing and may not be null"),
        ({"id": [1, None], "name": ["a", "b"]}, "column 'id' has 1 nulls and may have none"),
        ({"id": [1, 2], "name": ["a"]}, "column 'name' is 1 long where others are 2"),
        ({"id": [1 << 40, 2], "name": ["a", "b"], "small": [1 << 40, 2]}, "column 'small' does not fit int32"),
        ({"id": ["x"], "name": ["a"]}, "column 'id' does not fit int64"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(columns: dict[str, object], message: str) -> None:
    schema = {**SCHEMA, "small": "int32"} if "small" in columns else SCHEMA
    with pytest.raises(StoreError, match=message):
        frame_of_schema(columns, schema)


@pytest.mark.parametrize("schema", [ROW_SCHEMA, TRACE_SCHEMA])
def test_the_schemas_of_rows_and_traces_round_trip(schema: dict[str, str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    columns = {
        name: ["clean"] * 7 if kind == "string" else generator.integers(0, 9, 7)
        for name, kind in schema.items()
        if not kind.endswith("?")
    }
    frame = frame_of_schema(columns, schema)
    write_table(tmp_path / "t.parquet", frame, {"attack": "pgd", "epsilons": [0.1, None]})
    assert_frame_equal(read_table(tmp_path / "t.parquet"), frame, check_exact=True)
    assert read_footer(tmp_path / "t.parquet") == {"attack": "pgd", "epsilons": [0.1, None]}


def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    frame = frame_of_schema({"id": range(1000), "name": ["a"] * 1000}, SCHEMA)
    for name in ("one", "two"):
        write_table(tmp_path / name, frame, {"b": 1, "a": 2})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_footer_must_be_plain(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_table(tmp_path / "t", pl.DataFrame({"a": [1]}), {"path": tmp_path})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 1, 0.3, 0.9, 0.999])
def test_a_damaged_table_is_one_clear_error(cut: float, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, frame_of_schema({"id": range(100), "name": ["a"] * 100}, SCHEMA), {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))] if cut < 1 else b"\0" * len(whole))
    for read in (read_table, read_footer):
        with pytest.raises(StoreError, match=r"cannot read .*t\.parquet"):
            read(path)


def test_a_missing_table_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read the table .*t\.parquet"):
        read_table(tmp_path / "t.parquet")


def test_a_table_that_someone_else_made_has_no_footer_of_ours(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(StoreError, match="cannot read what made the table"):
        read_footer(tmp_path / "t.parquet")
