"""CIFAR-10 from folders as they are found in the wild, made here with a few images each."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from brinell.core import ConfigurationError, DataError
from brinell.data import Cifar10, Dataset

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = [3, 0, 9, 1, 1, 7]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def rows(column: str = "img", **changed: Any) -> pl.DataFrame:
    encoded = [{"bytes": png(pixels), "path": f"{name}.png"} for name, pixels in enumerate(PIXELS)]
    return pl.DataFrame({column: encoded, "label": LABELS} | changed)


def binary(path: Path, pixels: np.ndarray, labels: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(pixels, labels, strict=True)]
    path.write_bytes(b"".join(records))


def same(found: Dataset, split: str = "train") -> None:
    assert (found.name, found.split) == ("cifar10", split)
    assert found.images.permute(0, 2, 3, 1).numpy().tolist() == PIXELS.tolist()
    assert found.labels.tolist() == LABELS
    assert found.ids.tolist() == list(range(6))
    assert found.class_names[3] == "cat"
    assert found.input_shape == (3, 32, 32)
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize("folder", ["", "data", "plain_text"])
@pytest.mark.parametrize("column", ["img", "image"])
def test_parquet_folders_as_on_the_hub(folder: str, column: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    table = rows(column)
    table[:4].write_parquet(tmp_path / folder / "train-00000-of-00002.parquet")
    table[4:].write_parquet(tmp_path / folder / "train-00001-of-00002.parquet")
    table[:1].write_parquet(tmp_path / folder / "test-00000-of-00001.parquet")
    same(Cifar10(root=tmp_path).load("train"))
    assert len(Cifar10(root=tmp_path).load("test")) == 1


@pytest.mark.parametrize("folder", ["", "cifar-10-batches-bin"])
def test_the_original_binary_files(folder: str, tmp_path: Path) -> None:
    binary(tmp_path / folder / "data_batch_1.bin", PIXELS[:4], LABELS[:4])
    binary(tmp_path / folder / "data_batch_2.bin", PIXELS[4:], LABELS[4:])
    binary(tmp_path / folder / "test_batch.bin", PIXELS[:2], LABELS[:2])
    same(Cifar10(root=tmp_path).load("train"))
    assert len(Cifar10(root=tmp_path).load("test")) == 2


def test_jpeg_and_grey_images_decode(tmp_path: Path) -> None:
    jpeg, grey = io.BytesIO(), io.BytesIO()
    Image.fromarray(PIXELS[0]).save(jpeg, "jpeg", quality=75)
    Image.fromarray(PIXELS[1, :, :, 0]).save(grey, "png")
    encoded = [{"bytes": file.getvalue(), "path": None} for file in (jpeg, grey)]
    pl.DataFrame({"img": encoded, "label": [0, 1]}).write_parquet(tmp_path / "train.parquet")
    images = Cifar10(root=tmp_path).load("train").images
    assert images.shape == (2, 3, 32, 32)
    assert (images[1] == images[1, :1]).all()


def test_the_fingerprint_is_of_what_the_files_hold(tmp_path: Path) -> None:
    rows().write_parquet(tmp_path / "train.parquet")
    before = Cifar10(root=tmp_path).load("train").fingerprint
    (tmp_path / "moved").mkdir()
    (tmp_path / "train.parquet").rename(tmp_path / "moved" / "train-0.parquet")
    assert Cifar10(root=tmp_path / "moved").load("train").fingerprint == before
    rows(label=[3, 0, 9, 1, 1, 8]).write_parquet(tmp_path / "train.parquet")
    assert Cifar10(root=tmp_path).load("train").fingerprint != before


def refusal(root: Path | None, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        Cifar10(root=root).load(split)
    return str(caught.value)


@pytest.mark.parametrize("folder", ["", "cifar-10-batches-py"])
def test_the_pickled_version_is_refused_and_the_other_one_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("batches.meta", "data_batch_1", "test_batch"):
        (tmp_path / folder / name).write_bytes(b"\x80\x02cos\nsystem\n")
    message = refusal(tmp_path)
    assert "pickle and can run code when read" in message
    assert "cifar-10-binary.tar.gz" in message


def test_a_place_is_asked_for_and_only_one(tmp_path: Path) -> None:
    assert "--set data.root=FOLDER" in refusal(None)
    assert refusal(tmp_path / "nowhere") == f"data.root: no folder at {tmp_path / 'nowhere'}"
    assert refusal(tmp_path) == f"data.root: {tmp_path} holds neither train*.parquet nor cifar-10-batches-bin"
    with pytest.raises(ConfigurationError, match="root and hub exclude each other"):
        Cifar10.parse({"root": str(tmp_path), "hub": "uoft-cs/cifar10"})
    with pytest.raises(ConfigurationError, match="unknown split 'valid'"):
        Cifar10(root=tmp_path).load("valid")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label": [3, 0, 10, 1, 1, 7]}, "expected labels 0 to 9, found 0 to 10"),
        ({"label": [3, 0, -1, 1, 1, 7]}, "expected labels 0 to 9, found -1 to 7"),
        ({"label": [3, 0, None, 1, 1, 7]}, "column 'label' holds no whole numbers"),
        ({"label": list("abcdef")}, "column 'label' holds no whole numbers"),
        ({"label": [0.5] * 6}, "column 'label' holds no whole numbers"),
        ({"img": [b"raw"] * 6}, "column 'img' holds no {bytes, path}"),
        ({"img": [{"path": "elsewhere.png"}] * 6}, "column 'img' holds no {bytes, path}"),
        ({"img": [{"bytes": None, "path": "elsewhere.png"}] * 6}, "the image in row 0 cannot be decoded"),
        ({"img": [{"bytes": png(PIXELS[0])}] * 3 + [{"bytes": b"\xff\xd8junk"}] * 3}, "the image in row 3 cannot be"),
        ({"img": [{"bytes": png(PIXELS[0, :31])}] * 6}, "the image in row 0 is 31 x 32 pixels; expected 32 x 32"),
    ],
)
def test_what_a_parquet_file_should_not_hold(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    rows(**changed).write_parquet(tmp_path / "train.parquet")
    assert message in refusal(tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    rows("picture").write_parquet(tmp_path / "train.parquet")
    assert refusal(tmp_path).endswith("expected the columns img or image, and label; found picture, label")
    rows().drop("label").write_parquet(tmp_path / "train.parquet")
    assert refusal(tmp_path).endswith("expected the columns img or image, and label; found img")


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    rows()[:0].write_parquet(tmp_path / "train.parquet")
    assert "cifar10/train: no examples" in refusal(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(tmp_path).startswith(f"cannot read {path}")
    path.write_bytes(b"")
    assert refusal(tmp_path).startswith(f"cannot read {path}")


def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    rows("img").write_parquet(tmp_path / "train-0.parquet")
    rows("image").write_parquet(tmp_path / "train-1.parquet")
    assert refusal(tmp_path).startswith(f"cannot read {tmp_path / 'train-0.parquet'}")


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_half_a_binary_record_is_refused(size: int, tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(b"\1" * size)
    assert f"{size} bytes is no whole number of 3073-byte CIFAR-10 records" in refusal(tmp_path)


def test_a_binary_folder_without_the_split_is_refused(tmp_path: Path) -> None:
    binary(tmp_path / "data_batch_1.bin", PIXELS, LABELS)
    assert "holds neither test*.parquet nor cifar-10-batches-bin" in refusal(tmp_path, "test")


class FakeTable:
    """As much of `datasets.Dataset` as is used."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = columns
        self.column_names = list(columns)
        self.decoded = True

    def __len__(self) -> int:
        return len(LABELS)

    def cast_column(self, column: str, feature: Any) -> FakeTable:
        assert column in self.column_names
        self.decoded = feature.decode
        return self

    def __getitem__(self, column: str) -> list[Any]:
        assert not self.decoded, "images would be decoded by the library, with whatever it has installed"
        return self.columns[column]


def fake_hub(monkeypatch: pytest.MonkeyPatch, columns: dict[str, list[Any]]) -> list[tuple[str, str]]:
    class Feature:
        def __init__(self, decode: bool) -> None:
            self.decode = decode

    asked: list[tuple[str, str]] = []
    module = ModuleType("datasets")
    module.Image = Feature  # type: ignore[attr-defined]
    module.load_dataset = lambda name, split: asked.append((name, split)) or FakeTable(columns)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


@pytest.mark.parametrize("column", ["img", "image"])
def test_the_hub_by_name(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = [{"bytes": png(pixels)} for pixels in PIXELS]
    asked = fake_hub(monkeypatch, {column: encoded, "label": LABELS})
    same(Cifar10(hub="uoft-cs/cifar10").load("train"))
    assert asked == [("uoft-cs/cifar10", "train")]


def test_what_the_hub_answers_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {"img": [{"bytes": b"junk"}] * 6, "label": LABELS})
    with pytest.raises(DataError, match="someone/else: the image in row 0 cannot be decoded"):
        Cifar10(hub="someone/else").load("train")
    fake_hub(monkeypatch, {"img": [], "fine_label": LABELS})
    with pytest.raises(DataError, match=r"data\.hub: cannot load 'someone/else' \(train\)"):
        Cifar10(hub="someone/else").load("train")


def test_without_the_hub_s_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'brinell\[hub\]'"):
        Cifar10(hub="uoft-cs/cifar10").load("train")


@pytest.mark.shared
def test_the_shared_folder(shared: Path) -> None:
    test = Cifar10(root=shared / "data" / "cifar10-jpeg").load("test")
    assert len(test) == 5000
    assert test.labels.bincount().tolist() == [500] * 10
