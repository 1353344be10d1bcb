"""Folders and lists of photographs: splits, classes, sizes, the cache, and what is wrong with them."""

from __future__ import annotations

import io
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from brinell.core import ConfigurationError, DataError
from brinell.data import DATASETS, Arrays, HuggingFace, ImageFiles, MappedImages, build, image_files
from brinell.data.reading import decoding
from brinell.data.stratified import stratified_mask

RANDOM = np.random.default_rng(0)


def save(path: Path, shade: int = 100, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two splits of three classes; a photograph's red tells which it is."""
    for split, count in (("train", 4), ("val", 2)):
        for number, name in enumerate(("ant", "bee", "cat")):
            for index in range(count):
                save(tmp_path / split / name / f"{index}.png", 10 * number + index)
    return tmp_path


def load(root: Path, split: str = "train", **fields: Any) -> Any:
    return ImageFiles.parse({"root": root, "size": 6, **fields}).load(split)


def reds(data: Any) -> list[int]:
    return data.images[:][:, 0, 0, 0].tolist()


def test_splits_and_classes_are_folders(folder: Path) -> None:
    train, test, validation = (load(folder, split) for split in ("train", "test", "validation"))
    assert reds(train) == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert reds(test) == reds(validation) == [0, 1, 10, 11, 20, 21]
    assert train.class_names == test.class_names == ("ant", "bee", "cat")
    assert train.ids.tolist() == list(range(12))
    assert train.input_shape == (3, 6, 6)
    assert isinstance(train.images, MappedImages)
    assert len({train.fingerprint, test.fingerprint}) == 2
    images, labels = test.take(2).tensors()
    assert images.shape == (2, 3, 6, 6)
    assert images.dtype == torch.float32
    assert float(images.max()) <= 1
    assert len(labels) == 2


def test_a_test_folder_is_the_test_split_beside_a_validation_folder(folder: Path) -> None:
    for name in ("ant", "bee", "cat"):
        save(folder / "Test" / name / "a.png", 200)
    assert reds(load(folder, "test")) == [200] * 3
    assert len(load(folder, "validation")) == 6


def test_one_folder_is_split_by_a_seeded_share_of_every_class(folder: Path) -> None:
    whole = folder / "train"
    train, test = (load(whole, split, test_share=0.25) for split in ("train", "test"))
    assert train.labels.bincount().tolist() == [3, 3, 3]
    assert test.labels.bincount().tolist() == [1, 1, 1]
    assert sorted(reds(train) + reds(test)) == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert train.class_names == test.class_names == ("ant", "bee", "cat")
    assert reds(load(whole, "test", test_share=0.25)) == reds(test)
    others = {tuple(reds(load(whole, "test", test_share=0.25, split_seed=seed))) for seed in range(6)}
    assert len(others) > 1
    with pytest.raises(ConfigurationError, match="unknown split 'validation'; accepted: train, test"):
        load(whole, "validation")


def test_shares_hardly_change_when_examples_are_added() -> None:
    names = [str(number) for number in range(1000)]
    labels = np.zeros(1000, dtype=int)
    before = stratified_mask(names, labels, 0.2, 0)
    after = stratified_mask([*names, "new"], np.zeros(1001, dtype=int), 0.2, 0)
    assert before.sum() == 200
    assert (before != after[:1000]).sum() <= 1
    assert not stratified_mask(["one"], np.zeros(1, dtype=int), 0.9, 0).any()


def test_a_class_called_train_is_no_split(tmp_path: Path) -> None:
    for name in ("plane", "train"):
        for index in range(5):
            save(tmp_path / name / f"{index}.png")
    assert load(tmp_path).class_names == ("plane", "train")


def test_other_files_and_hidden_ones_are_not_looked_at(folder: Path) -> None:
    before = load(folder).fingerprint
    (folder / "train" / "ant" / "notes.txt").write_text("nothing")
    (folder / "train" / "ant" / "._0.png").write_bytes(b"junk")
    (folder / "train" / ".thumbnails").mkdir()
    assert load(folder).fingerprint == before
    save(folder / "train" / "ant" / "deeper" / "9.PNG", 9)
    assert reds(load(folder))[:5] == [0, 1, 2, 3, 9]


# Classes


def test_splits_of_other_classes_are_refused(folder: Path) -> None:
    (folder / "val" / "bee").rename(folder / "val" / "wasp")
    for split in ("train", "test"):
        with pytest.raises(DataError, match=r"differ .*only in .*: 'bee'.*only in .*: 'wasp'|'wasp'.*'bee'"):
            load(folder, split)


def test_class_names_order_the_numbers(folder: Path) -> None:
    data = load(folder, "test", class_names=("cat", "dog", "bee", "ant"))
    assert data.class_names == ("cat", "dog", "bee", "ant")
    assert data.labels.tolist() == [3, 3, 2, 2, 0, 0]
    with pytest.raises(DataError, match="no class is called 'cat'; classes: 'ant', 'bee'"):
        load(folder, class_names=("ant", "bee"))
    with pytest.raises(ConfigurationError, match="names a class twice"):
        load(folder, class_names=("ant", "ant"))


# CSV


def listing(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_file_lists_paths_labels_and_splits(folder: Path) -> None:
    csv = listing(
        folder / "list.csv",
        "Filename,Class,Split,note",
        "train/ant/0.png,yes,train,",
        "train/cat/1.png,no,train,x",
        "val/bee/0.png,no,val,",
    )
    source = ImageFiles(csv=csv, size=6)
    train, test = source.load("train"), source.load("test")
    assert train.class_names == test.class_names == ("no", "yes")
    assert (reds(train), train.labels.tolist()) == ([0, 21], [1, 0])
    assert (reds(test), test.labels.tolist()) == ([10], [0])
    elsewhere = listing(folder / "other.csv", "path,label", "ant/0.png,0", "cat/1.png,2", "cat/2.png,2", "ant/1.png,0")
    shared = ImageFiles(csv=elsewhere, root=folder / "train", size=6, test_share=0.5)
    assert shared.load("test").class_names == ("0", "1", "2")
    assert sorted(shared.load("test").labels.tolist()) == [0, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,kind", "a.png,x"], r"no column of labels \(label, class, .*\); found path, kind"),
        (["label", "x"], r"no column of paths"),
        (["path,label", "a.png,"], r"row 2 has no label"),
        (["path,label", "a.png,1", "b.png,-1"], r"row 3: the label '-1' is no class; accepted: whole numbers"),
        (["path,label", "a.png,1.0", "b.png,2.0"], r"row 2: the label '1\.0' is no class"),
        (["path,label,split", "a.png,x,train"], r"no row is of the split 'test'; splits: train"),
    ],
)
def test_what_a_csv_file_should_not_hold(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        ImageFiles(csv=listing(tmp_path / "list.csv", *lines)).load("test")


# Sizes


def checkerboard(path: Path, width: int, height: int) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def alone(root: Path, **fields: Any) -> np.ndarray:
    found = ImageFiles.parse({"root": root, "class_names": ["a"], **fields}).load("train")
    return found.images[0].numpy().transpose(1, 2, 0)


def test_the_middle_is_cut_out_without_resampling_where_nothing_is_scaled(tmp_path: Path) -> None:
    pixels = checkerboard(tmp_path / "train" / "a" / "a.png", 11, 8)
    assert np.array_equal(alone(tmp_path, size=8), pixels[:, 2:10])
    assert np.array_equal(alone(tmp_path, size=4, resize=8), pixels[2:6, 4:8])
    assert np.array_equal(alone(tmp_path, size=(8, 11), crop="none"), pixels)
    assert alone(tmp_path, size=(8, 11), channels=1).shape == (8, 11, 1)


def test_images_are_scaled_as_torchvision_does(tmp_path: Path) -> None:
    """The shorter side to `resize`, the longer one in proportion, cut off; the middle cut out."""
    pixels = checkerboard(tmp_path / "train" / "a" / "a.png", 31, 20)
    for name in ("bilinear", "bicubic", "nearest", "lanczos"):
        scaled = Image.fromarray(pixels).resize((16, 10), Image.Resampling[name.upper()])
        assert np.array_equal(alone(tmp_path, size=10, interpolation=name), np.asarray(scaled)[:, 3:13])
    squashed = Image.fromarray(pixels).resize((5, 7), Image.Resampling.BILINEAR)
    assert np.array_equal(alone(tmp_path, size=(7, 5), crop="none"), np.asarray(squashed))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 9, "resize": 8}, "size 9 cannot be cut out of a shorter side of resize 8"),
        ({"size": 9, "resize": 12, "crop": "none"}, "resize and crop: none exclude each other"),
        ({"size": 0}, "size needs numbers from 1 on"),
        ({"size": 5000}, "of at most 16,777,216 pixels"),
        ({"channels": 4}, "channels: input should be 1 or 3"),
        ({"interpolation": "cubic"}, "interpolation: input should be"),
        ({"test_share": 1}, "test_share: input should be less than 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ImageFiles.parse(fields)


# Bad files


def test_a_corrupt_file_is_named_or_counted(folder: Path) -> None:
    (folder / "train" / "bee" / "1.png").write_bytes(b"junk")
    with pytest.raises(
        DataError, match=r"bee/1\.png: cannot be decoded: it is no image of a known format, .*on_error: skip"
    ):
        load(folder)
    with pytest.warns(UserWarning, match=r"1 of 12 images are skipped: .*bee/1\.png: cannot be decoded"):
        data = load(folder, on_error="skip")
    assert len(data) == len(data.images) == 11
    assert data.ids.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert reds(data)[4:6] == [10, 12]
    assert data.labels[4:7].tolist() == [1, 1, 1]
    assert len(data.skipped) == 1
    with pytest.raises(DataError, match=r"bee/1\.png"):
        load(folder)


def test_nothing_but_corrupt_files_is_refused(tmp_path: Path) -> None:
    for index in range(3):
        path = save(tmp_path / "train" / "a" / f"{index}.png")
        path.write_bytes(b"junk")
    with pytest.raises(DataError, match="none of 3 images can be decoded"):
        load(tmp_path, on_error="skip")


def test_a_listed_file_that_is_absent_is_named_or_counted(folder: Path) -> None:
    csv = listing(folder / "list.csv", "path,label,split", "train/ant/0.png,a,train", "nowhere.png,a,train")
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.png"):
        ImageFiles(csv=csv, size=6).load("train")
    data = ImageFiles(csv=csv, size=6, on_error="skip").load("train")
    assert len(data) == 1
    assert "nowhere.png" in data.skipped[0]


def test_pipes_and_devices_are_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "train" / "ant" / "4.png")
    with pytest.raises(DataError, match=r"4\.png: it is no regular file but a named pipe"):
        load(folder)


def test_links_to_files_are_followed(folder: Path) -> None:
    (folder / "train" / "ant" / "4.png").symlink_to(folder / "val" / "cat" / "1.png")
    assert reds(load(folder))[4] == 21


def test_images_that_grow_when_they_are_scaled_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of 1 x 4,000 pixels would have 224 x 896,000."""
    save(tmp_path / "train" / "a" / "a.png", size=(1, 4000))
    with pytest.raises(DataError, match="has 224 x 896000 pixels; at most 89,478,485 are accepted"):
        alone(tmp_path, size=224)
    assert alone(tmp_path, size=224, crop="none").shape == (224, 224, 3)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 3999)
    with pytest.raises(DataError, match=r"a\.png: has 1 x 4000 pixels"):
        alone(tmp_path, size=8, crop="none")


def test_formats_that_are_not_read_are_named(folder: Path) -> None:
    (folder / "train" / "ant" / "photo.HEIC").write_bytes(b"x")
    with pytest.raises(DataError, match=r"photo\.HEIC: images of format \.heic are not read; accepted: \.avif"):
        load(folder)


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root: missing"):
        ImageFiles().load("train")
    with pytest.raises(DataError, match="no folder at"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no images for the split 'train'"):
        load(tmp_path)
    save(tmp_path / "train" / "a" / "a.png")
    with pytest.raises(DataError, match="has no folder test or testing or validation"):
        load(tmp_path, "test")
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="of classes; val holds no class folders"):
        load(tmp_path, "test")


# The cache


def test_images_are_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(folder)
    monkeypatch.setattr(image_files, "decode_image", None)
    monkeypatch.setattr(image_files, "read_regular", None)
    again = load(folder)
    assert again.fingerprint == before.fingerprint
    assert torch.equal(again.images[:], before.images[:])


def test_another_content_or_setting_is_decoded_anew(folder: Path) -> None:
    before = load(folder)
    save(folder / "train" / "ant" / "0.png", 99)
    changed = load(folder)
    assert reds(changed)[0] == 99
    assert changed.fingerprint != before.fingerprint
    assert load(folder, size=5).input_shape == (3, 5, 5)
    save(folder / "train" / "ant" / "0.png", 0)
    assert load(folder).fingerprint == before.fingerprint


def test_a_moved_folder_keeps_its_fingerprint(folder: Path) -> None:
    before = load(folder).fingerprint
    moved = folder.rename(folder.parent / f"{folder.name}-moved")
    assert load(moved).fingerprint == before


@pytest.mark.parametrize("name", ["images.bin", "images.json"])
def test_a_damaged_cache_is_made_again(name: str, folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = reds(load(folder, cache=cache))
    (file,) = cache.rglob(name)
    file.write_bytes(file.read_bytes()[:-1])
    assert reds(load(folder, cache=cache)) == before


def test_a_disk_without_room_is_told_before_anything_is_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"need 1,296 bytes of disk, and 1,000 are free; set data\.cache"):
        load(folder, cache=folder / "cache")


def test_parts_of_a_split_stay_in_the_file(folder: Path) -> None:
    data = load(folder)
    kept, held = data.holdout(3, seed=1)
    for part in (kept, held, data.take(5), data.part(5), data.subset(slice(2, 4))):
        assert isinstance(part.images, MappedImages)
        assert reds(part) == [reds(data)[row] for row in part.ids]
    assert kept.images.shape == (9, 3, 6, 6)
    assert data.images[2].shape == (3, 6, 6)


def test_a_part_to_train_on_has_a_fingerprint_of_its_own(folder: Path) -> None:
    data = load(folder)
    part = data.part(5, seed=1)
    assert sorted(part.ids.tolist()) == part.ids.tolist() == sorted(data.take(5, seed=1).ids.tolist())
    assert len({data.fingerprint, part.fingerprint, data.part(6, 1).fingerprint, data.part(5, 2).fingerprint}) == 4
    assert data.part(5, 1).fingerprint == part.fingerprint


def test_training_and_accuracy_read_images_from_the_file(folder: Path) -> None:
    from brinell.models import build as build_model
    from brinell.training import Train, accuracy, fit

    data = load(folder, size=8)
    model = build_model("resnet8", classes=3, in_channels=3, size=8, mean=[0.1, 0, 0], std=[0.1, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, data, Train(epochs=1, batch_size=4, holdout=2), seed=0)
    in_memory = data.subset(slice(None))
    object.__setattr__(in_memory, "images", data.images[:])
    assert accuracy(model, data, batch_size=5) == accuracy(model, in_memory)


@pytest.mark.shared
def test_the_traffic_signs(shared: Path) -> None:
    data = build("images", "test", root=shared / "data" / "traffic-signs", size=32)
    assert len(data) == 1290
    assert data.class_names == tuple(f"{number:02}" for number in range(43))
    first = io.BytesIO((shared / "data" / "traffic-signs" / "val" / "00" / "00778.png").read_bytes())
    assert np.array_equal(data.images[0].numpy().transpose(1, 2, 0), np.asarray(Image.open(first).convert("RGB")))


def test_the_settings_in_the_documentation_are_accepted() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    found = [yaml.safe_load(block)["data"] for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)]
    assert {DATASETS.parse(config).kind for config in found} == {"images", "huggingface", "arrays"}
    missing = [
        name for kind in (ImageFiles, HuggingFace, Arrays) for name in kind.model_fields if f"`{name}" not in page
    ]
    assert not missing
