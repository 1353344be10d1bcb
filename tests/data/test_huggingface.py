"""Tables of images and labels: parquet folders of any names, and the hub through its library."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from brinell.core import ConfigurationError, DataError
from brinell.data import HuggingFace

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
LABELS = [3, 0, 2, 1, 1, 2]
WORDS = ["cat", "ant", "cat", "bee", "ant", "bee"]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def rows(image: str = "image", label: str = "label", labels: list[Any] = LABELS) -> pl.DataFrame:
    return pl.DataFrame({image: [{"bytes": png(pixels), "path": None} for pixels in PIXELS], label: labels})


def load(root: Path, split: str = "train", **fields: Any) -> Any:
    return HuggingFace.parse({"root": root, "size": 8, **fields}).load(split)


def same(data: Any, rows: slice = slice(None)) -> None:
    assert np.array_equal(data.images[:].numpy().transpose(0, 2, 3, 1), PIXELS[rows])


@pytest.mark.parametrize("place", ["train-0.parquet", "data/train-0.parquet", "train/0.parquet"])
@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label"), ("picture", "kind")])
def test_parquet_folders(place: str, image: str, label: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    rows(image, label)[:4].write_parquet(tmp_path / place)
    rows(image, label)[4:].write_parquet((tmp_path / place).parent / "validation.parquet")
    if place.startswith("train/"):
        (tmp_path / "train" / "validation.parquet").rename(tmp_path / "validation.parquet")
    train, test = load(tmp_path), load(tmp_path, "test")
    same(train, slice(4))
    same(test, slice(4, 6))
    assert train.class_names == test.class_names == ("0", "1", "2", "3")
    assert test.labels.tolist() == [1, 2]
    assert test.ids.tolist() == [0, 1]


def test_words_are_numbered_over_all_splits(tmp_path: Path) -> None:
    rows(labels=WORDS)[:1].write_parquet(tmp_path / "train.parquet")
    rows(labels=WORDS)[1:].write_parquet(tmp_path / "test.parquet")
    train, test = load(tmp_path), load(tmp_path, "test")
    assert train.class_names == test.class_names == ("ant", "bee", "cat")
    assert train.labels.tolist() == [2]
    assert test.labels.tolist() == [0, 2, 1, 0, 1]
    with pytest.raises(DataError, match="no class is called 'cat'"):
        load(tmp_path, class_names=("ant", "bee"))


def test_one_file_is_split_by_a_seeded_share(tmp_path: Path) -> None:
    rows(labels=WORDS).write_parquet(tmp_path / "everything.parquet")
    train, test = (load(tmp_path, split, test_share=0.5) for split in ("train", "test"))
    assert test.labels.bincount().tolist() == train.labels.bincount().tolist() == [1, 1, 1]
    assert sorted([*train.ids.tolist(), *test.ids.tolist()]) == list(range(6))
    for data in (train, test):
        assert np.array_equal(data.images[:].numpy().transpose(0, 2, 3, 1), PIXELS[data.ids.numpy()])


def test_several_files_are_read_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brinell.data.reading.image_table._ROWS", 2)
    rows()[:3].write_parquet(tmp_path / "train-0.parquet")
    rows()[3:].write_parquet(tmp_path / "train-1.parquet")
    rows()[:1].write_parquet(tmp_path / "test.parquet")
    same(load(tmp_path))


def test_a_bad_image_is_named_by_its_file_among_several(tmp_path: Path) -> None:
    table = rows()
    images = [*table["image"].to_list()[:1], {"bytes": b"junk", "path": None}]
    table[:3].write_parquet(tmp_path / "train-0.parquet")
    pl.DataFrame({"image": images, "label": LABELS[:2]}).write_parquet(tmp_path / "train-1.parquet")
    rows()[:1].write_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train-1\.parquet: the image in row 1: cannot be decoded"):
        load(tmp_path)


def test_class_names_come_from_the_files_metadata(tmp_path: Path) -> None:
    metadata = '{"info": {"features": {"label": {"names": ["a", "b", "c", "d"], "_type": "ClassLabel"}}}}'
    rows().write_parquet(tmp_path / "train.parquet", metadata={"huggingface": metadata})
    rows()[:2].write_parquet(tmp_path / "test.parquet", metadata={"huggingface": metadata})
    assert load(tmp_path).class_names == load(tmp_path, "test").class_names == ("a", "b", "c", "d")


def test_a_bad_image_is_named_or_counted(tmp_path: Path) -> None:
    table = rows()
    images = [*table["image"].to_list()[:2], {"bytes": b"junk", "path": None}, {"bytes": None, "path": "/etc/passwd"}]
    pl.DataFrame({"image": images, "label": LABELS[:4]}).write_parquet(tmp_path / "train.parquet")
    rows()[:1].write_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train\.parquet: the image in row 2: cannot be decoded"):
        load(tmp_path)
    with pytest.warns(UserWarning, match=r"2 of 4 images are skipped: .*row 2: .*; .*row 3: is not in the table"):
        data = load(tmp_path, on_error="skip")
    assert data.ids.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            rows().rename({"image": "a"}).with_columns(b=pl.col("a")),
            r"expected one column of images; data\.image_column",
        ),
        (rows().drop("label"), r"expected one column of labels; .*; columns: image \(image\)"),
        (rows(labels=[0.5] * 6), r"columns: image \(image\), label \(other\)"),
        (rows(labels=[0, None, 0, 0, 0, 0]), "row 1 has no label"),
        (rows(labels=[-1] * 6), "expected labels 0 to .*, found -1 to -1; -1 often marks a split without labels"),
        (rows()[:0], "no examples for the split 'train'"),
    ],
)
def test_what_a_table_should_not_hold(table: pl.DataFrame, message: str, tmp_path: Path) -> None:
    table.write_parquet(tmp_path / "train.parquet")
    rows().write_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    table = rows().with_columns(other=pl.col("image"), coarse=pl.lit(1))
    table.write_parquet(tmp_path / "train.parquet")
    rows().write_parquet(tmp_path / "test.parquet")
    assert load(tmp_path, label_column="label").labels.tolist() == LABELS
    with pytest.raises(DataError, match=r"the column 'nothing' holds none; columns: image .image., label .integer."):
        load(tmp_path, label_column="nothing")


def test_a_place_is_needed_and_only_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="root and name exclude each other"):
        HuggingFace.parse({"root": tmp_path, "name": "a/b"})
    with pytest.raises(DataError, match=r"data\.root: missing; give a folder of parquet files, or data\.name"):
        HuggingFace().load("train")
    with pytest.raises(DataError, match="no folder at"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no split 'train'; splits: none"):
        load(tmp_path)


class FakeTable:
    """As much of `datasets.Dataset` as is used."""

    def __init__(self, files: list[Path], decoded: bool = True) -> None:
        feature = type("ClassLabel", (), {"names": ["a", "b", "c", "d"], "dtype": "int64"})
        self.features = {"image": type("Image", (), {})(), "label": feature()}
        self.cache_files = [{"filename": str(path)} for path in files]
        self.decoded = decoded

    def cast_column(self, column: str, feature: Any) -> FakeTable:
        return FakeTable([], decoded=feature.decode)

    def __getitem__(self, column: str) -> list[Any]:
        if column == "label":
            return LABELS
        assert not self.decoded, "images would be decoded by the library"
        return [{"bytes": png(pixels), "path": None} for pixels in PIXELS]


@pytest.mark.parametrize("cached", [True, False])
def test_the_hub_by_name(cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.arrow").write_bytes(b"as the library keeps it")
    module = ModuleType("datasets")
    module.Image = lambda decode: SimpleNamespace(decode=decode)  # type: ignore[attr-defined]
    table = FakeTable([tmp_path / "table.arrow"] if cached else [])
    asked = []
    module.load_dataset = lambda *names: asked.append(names) or {"train": table, "valid": table}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    data = HuggingFace(name="someone/something", subset="small", size=8).load("test")
    same(data)
    assert data.class_names == ("a", "b", "c", "d")
    assert asked == [("someone/something", "small")]


def test_a_hub_that_fails_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*names: object) -> None:
        raise OSError("no network")

    module = ModuleType("datasets")
    module.load_dataset = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    with pytest.raises(DataError, match=r"data\.name: cannot load 'a/b' from the hub: no network"):
        HuggingFace(name="a/b").load("train")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigurationError, match=r"data\.name: 'datasets' is needed .* pip install 'brinell\[hub\]'"):
        HuggingFace(name="a/b").load("train")


@pytest.mark.shared
def test_it_reads_what_the_cifar_source_reads(shared: Path) -> None:
    from brinell.data import Cifar10

    root = shared / "data" / "cifar10"
    assert (load(root, "test", size=32).images[:] == Cifar10(root=root).load("test").images).all()
