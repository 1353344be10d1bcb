"""Photographs of any size: which pixels are cut out, by known pictures; and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from brinell.core import ConfigurationError, DataError
from brinell.data import DATASETS, ImageNet


def picture(width: int, height: int) -> Image.Image:
    """Red counts columns, green counts rows: every cut-out says where it came from."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    return Image.fromarray(pixels)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def table(path: Path, images: list[Image.Image], labels: list[int], column: str = "image") -> None:
    rows = [{"bytes": png(image), "path": None} for image in images]
    pl.DataFrame({column: rows, "label": labels}).write_parquet(path)


def test_the_middle_is_cut_out(tmp_path: Path) -> None:
    table(tmp_path / "validation-00000-of-00001.parquet", [picture(60, 40), picture(40, 51)], [1, 0])
    found = ImageNet(root=tmp_path, classes=2, size=30, resize=40).load("test")
    assert found.images.shape == (2, 3, 30, 30)
    assert found.images[0, 0, 0].tolist() == list(range(15, 45))
    assert found.images[0, 1, :, 0].tolist() == list(range(5, 35))
    assert found.images[1, 0, 0].tolist() == list(range(5, 35))
    assert found.images[1, 1, :, 0].tolist() == list(range(10, 40))  # 10.5 is rounded to even
    assert found.labels.tolist() == [1, 0]
    assert found.class_names == ("0", "1")


def test_the_shorter_side_is_scaled(tmp_path: Path) -> None:
    table(tmp_path / "train.parquet", [picture(200, 100)], [0])
    found = ImageNet(root=tmp_path, classes=1, size=50, resize=50).load("train")
    red = found.images[0, 0, 25].float()
    torch.testing.assert_close(red, torch.arange(50) * 2.0 + 50.5, atol=1, rtol=0)


def test_folders_of_classes(tmp_path: Path) -> None:
    for name, width in [("n02", 50), ("n01", 60), ("n01", 41)]:
        folder = tmp_path / "val" / name
        folder.mkdir(parents=True, exist_ok=True)
        picture(width, 40).save(folder / f"{width}.png")
        (folder / "notes.txt").write_text("not an image")
    found = ImageNet(root=tmp_path, classes=2, size=40, resize=40).load("validation")
    assert found.class_names == ("n01", "n02")
    assert found.labels.tolist() == [0, 0, 1]
    assert found.images[:, 0, 0, 0].tolist() == [0, 10, 5]


def _folders(root: Path, split: str, names: list[str]) -> None:
    for shade, name in enumerate(names):
        (root / split / name).mkdir(parents=True)
        picture(40 + shade, 40).save(root / split / name / "image.png")


@pytest.mark.parametrize("split", ["train", "test", "validation"])
def test_classes_of_another_name_are_not_renumbered(tmp_path: Path, split: str) -> None:
    """`dog` renamed to `zdog` in one split would make every class after `cat` another number there."""
    _folders(tmp_path, "train", ["ant", "cat", "dog", "eel"])
    _folders(tmp_path, "val", ["ant", "cat", "eel", "zdog"])
    own, other = ("train", "val") if split == "train" else ("val", "train")
    only = {"train": "only in train: 'dog'", "val": "only in val: 'zdog'"}
    source = ImageNet(root=tmp_path, classes=4, size=40, resize=40)
    with pytest.raises(DataError, match=rf"imagenet/{split}: .* differ \({only[own]}; {only[other]}\)"):
        source.load(split)


def test_a_class_that_one_split_lacks_is_named(tmp_path: Path) -> None:
    _folders(tmp_path, "train", ["ant", "cat", "dog"])
    _folders(tmp_path, "val", ["ant", "dog"])
    with pytest.raises(DataError, match=r"differ \(only in train: 'cat'\)"):
        ImageNet(root=tmp_path, classes=2, size=40, resize=40).load("test")
    (tmp_path / "val" / "cat").mkdir()
    assert ImageNet(root=tmp_path, classes=3, size=40, resize=40).load("test").labels.tolist() == [0, 2]


def test_folders_that_are_no_split_or_no_class_do_not_count(tmp_path: Path) -> None:
    """Hidden folders are left by tools; a flat `test` beside `val` holds images without labels."""
    _folders(tmp_path, "train", ["ant", "cat"])
    _folders(tmp_path, "val", ["ant", "cat"])
    _folders(tmp_path, "test", ["unknown"])
    (tmp_path / "val" / ".ipynb_checkpoints").mkdir()
    found = [ImageNet(root=tmp_path, classes=2, size=40, resize=40).load(split) for split in ("train", "test")]
    assert [split.class_names for split in found] == [("ant", "cat")] * 2


def test_folders_beside_parquet_files_cannot_be_matched(tmp_path: Path) -> None:
    _folders(tmp_path, "train", ["ant", "cat"])
    table(tmp_path / "validation.parquet", [picture(40, 40)], [1])
    with pytest.raises(DataError, match="train has class folders, and validation has parquet files"):
        ImageNet(root=tmp_path, classes=2, size=40, resize=40).load("train")


def test_the_cut_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    table(tmp_path / "test.parquet", [picture(60, 50)], [0])
    sources = [ImageNet(root=tmp_path, classes=1, size=size, resize=40) for size in (40, 30)]
    assert len({source.load("test").fingerprint for source in sources}) == 2
    assert sources[0].key != sources[1].key


@pytest.mark.parametrize(
    ("fields", "split", "error", "message"),
    [
        ({}, "test", DataError, "missing; give the folder"),
        ({"root": "gone"}, "test", DataError, "no folder at"),
        ({"root": "."}, "train", DataError, "holds neither train parquet files nor a folder"),
        ({"root": "."}, "tset", ConfigurationError, "unknown split 'tset'"),
        ({"root": ".", "classes": 1}, "test", DataError, "expected 1 classes, found 1 classes and labels 7 to 7"),
        ({"size": 300}, "test", ConfigurationError, "size 300 cannot be cut out of a shorter side of resize 256"),
    ],
)
def test_what_is_refused(tmp_path: Path, fields: dict, split: str, error: type, message: str) -> None:
    table(tmp_path / "test.parquet", [picture(256, 256)], [7])
    if "root" in fields:
        fields = {**fields, "root": str(tmp_path / fields["root"])}
    with pytest.raises(error, match=message):
        DATASETS.parse({"kind": "imagenet", **fields}).load(split)


def test_an_image_that_is_none(tmp_path: Path) -> None:
    rows = [{"bytes": b"nothing", "path": None}]
    pl.DataFrame({"image": rows, "label": [0]}).write_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match="the image in row 0 cannot be decoded"):
        ImageNet(root=tmp_path, classes=1).load("test")


def test_an_image_is_named_by_its_file(tmp_path: Path) -> None:
    table(tmp_path / "test-0.parquet", [picture(256, 256)] * 2, [0, 0])
    images = [{"bytes": png(picture(256, 256)), "path": None}, {"bytes": b"nothing", "path": None}]
    pl.DataFrame({"image": images, "label": [0, 0]}).write_parquet(tmp_path / "test-1.parquet")
    with pytest.raises(DataError, match=r"test-1\.parquet: the image in row 1 cannot be decoded"):
        ImageNet(root=tmp_path, classes=1).load("test")
    folder = tmp_path / "folders"
    _folders(folder, "val", ["n01", "n02"])
    (folder / "val" / "n02" / "image.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"n02/image\.png cannot be decoded"):
        ImageNet(root=folder, classes=2, size=40, resize=40).load("test")


@pytest.mark.shared
def test_the_real_samples(shared: Path) -> None:
    found = ImageNet(root=shared / "data" / "imagenet-samples", size=227).load("test")
    assert found.images.shape == (500, 3, 227, 227)
    assert len(found.labels.unique()) == 500
