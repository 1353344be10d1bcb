"""Arrays as people save them: names, orders of axes, types; sizes known from headers; nothing unpickled."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from brinell.core import DataError
from brinell.data import Arrays, build

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 0, 2, 1])


def load(root: Path, split: str = "train", **fields: Any) -> Any:
    return Arrays.parse({"root": root, **fields}).load(split)


def same(data: Any, rows: slice = slice(None)) -> None:
    assert np.array_equal(data.images[:].numpy().transpose(0, 2, 3, 1), PIXELS[rows])
    assert data.labels.tolist() == LABELS[rows].tolist()


def halves(images: str, labels: str) -> dict[str, np.ndarray]:
    parts = {"train": slice(4), "test": slice(4, 6)}
    return {
        pattern.format(split): np.ascontiguousarray(array[part])
        for split, part in parts.items()
        for pattern, array in ((images, PIXELS), (labels, LABELS))
    }


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x_{}", "y_{}"), ("{}_images", "{}_labels"), ("{}/images", "{}/labels"), ("{}.data", "{}.targets")],
)
@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_splits_in_one_file(images: str, labels: str, suffix: str, tmp_path: Path) -> None:
    path, arrays = tmp_path / f"data.{suffix}", halves(images, labels)
    np.savez_compressed(path, **arrays) if suffix == "npz" else save_file(arrays, path)
    same(load(path), slice(4))
    same(load(path, "test"), slice(4, 6))
    assert load(path, "test").class_names == ("0", "1", "2")
    assert load(path, "test").ids.tolist() == [0, 1]


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "npy"])
def test_a_folder_of_files(suffix: str, tmp_path: Path) -> None:
    for split, rows in (("train", slice(4)), ("val", slice(4, 6))):
        arrays = {"images": np.ascontiguousarray(PIXELS[rows]), "labels": LABELS[rows]}
        if suffix == "npy":
            for name, array in arrays.items():
                np.save(tmp_path / f"{split}_{name}.npy", array)
        elif suffix == "npz":
            np.savez(tmp_path / f"{split}.npz", **arrays)
        else:
            save_file(arrays, tmp_path / f"{split}.safetensors")
    same(load(tmp_path), slice(4))
    same(load(tmp_path, "test"), slice(4, 6))


def test_one_pair_is_split_by_a_seeded_share(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS.reshape(-1, 1))
    train, test = (load(tmp_path / "a.npz", split, test_share=0.5) for split in ("train", "test"))
    assert test.labels.bincount().tolist() == train.labels.bincount().tolist() == [1, 1, 1]
    assert sorted([*train.ids.tolist(), *test.ids.tolist()]) == list(range(6))
    for data in (train, test):
        assert np.array_equal(data.images[:].numpy().transpose(0, 2, 3, 1), PIXELS[data.ids.numpy()])


def test_names_of_ones_own_and_classes_with_names(tmp_path: Path) -> None:
    names = np.array(["ant", "bee", "cat"])
    np.savez(tmp_path / "a.npz", pictures_train=PIXELS, kinds_train=LABELS, class_names=names)
    data = load(tmp_path / "a.npz", images="pictures_{split}", labels="kinds_{split}")
    same(data)
    assert data.class_names == ("ant", "bee", "cat")
    assert load(
        tmp_path / "a.npz", images="pictures_{split}", labels="kinds_{split}", class_names=("x", "y", "z")
    ).class_names == ("x", "y", "z")


@pytest.mark.parametrize(
    "convert",
    [
        lambda pixels: pixels.transpose(0, 3, 1, 2),
        lambda pixels: pixels.astype(np.uint16) * 257,
        lambda pixels: pixels / np.float32(255),
        lambda pixels: pixels / 255.0,
        lambda pixels: (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float16),
    ],
    ids=["channels_first", "uint16", "float32", "float64", "float16"],
)
def test_types_and_orders(convert: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=convert(PIXELS), y_train=LABELS)
    same(load(tmp_path / "a.npz"))


def test_grey_images_need_no_axis_of_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=PIXELS[..., 0], y_train=LABELS)
    data = load(tmp_path / "a.npz")
    assert data.input_shape == (1, 4, 5)
    assert np.array_equal(data.images[:][:, 0].numpy(), PIXELS[..., 0])


def test_an_order_that_may_be_two_is_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=PIXELS[:, :3, :3], y_train=LABELS)
    with pytest.raises(DataError, match=r"\(6, 3, 3, 3\) may be in two orders; set data\.layout to nchw or nhwc"):
        load(tmp_path / "a.npz")
    first, last = (load(tmp_path / "a.npz", layout=layout).images[:] for layout in ("nchw", "nhwc"))
    assert np.array_equal(first.numpy(), PIXELS[:, :3, :3])
    assert np.array_equal(last.numpy(), PIXELS[:, :3, :3].transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x_train": PIXELS / 127.5 - 1, "y_train": LABELS},
            r"row 0: expected floats in \[0, 1\], found -0\.\d+ to 0\.9",
        ),
        ({"x_train": PIXELS * 1.0, "y_train": LABELS}, r"found .* to 2\d\d; save bytes as uint8"),
        ({"x_train": np.full((6, 4, 5, 3), np.nan), "y_train": LABELS}, r"found nan to nan"),
        ({"x_train": PIXELS.astype(np.int64), "y_train": LABELS}, "not int64"),
        ({"x_train": PIXELS, "y_train": LABELS[:5]}, r"expected 6 whole numbers, one an image, not \(5,\) of int64"),
        ({"x_train": PIXELS, "y_train": LABELS * 1.0}, "one an image, not .* of float64"),
        ({"x_train": PIXELS, "y_train": LABELS - 1}, "expected labels 0 to 1, found -1 to 1; -1 often marks"),
        ({"x_train": PIXELS[0], "y_train": LABELS[:4]}, "may be in two orders|images of"),
        ({"x_train": PIXELS[:, 0, 0], "y_train": LABELS}, r"expected \(N, channels, height, width\)"),
        ({"x_train": PIXELS[:0], "y_train": LABELS[:0]}, "no examples for the split 'train'"),
        ({"a": PIXELS}, "holds no arrays .* of images and labels for 'train'; data.images and data.labels name them"),
    ],
)
def test_what_is_no_split_of_images(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    if message.startswith("may be"):
        data = load(tmp_path / "a.npz")  # (4, 5, 3): four grey images of 5 x 3
        assert data.input_shape == (1, 5, 3)
        return
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.npz")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"

    class Bomb:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {mark}",)

    np.savez(tmp_path / "a.npz", x_train=np.array([Bomb()] * 6, dtype=object), y_train=LABELS)
    with pytest.raises(DataError, match="array of Python objects is pickled"):
        load(tmp_path / "a.npz")
    assert not mark.exists()
    np.load(tmp_path / "a.npz", allow_pickle=True)["x_train"]  # the bomb is real
    assert mark.exists()


def header(shape: tuple[int, ...], kind: str = "|u1", fortran: bool = False) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": fortran, "shape": shape})
    return file.getvalue()


def forged(path: Path, head: bytes, body: bytes = b"") -> Path:
    labels = io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", head + body)
        archive.writestr("y_train.npy", labels.getvalue())
    return path


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (header((6, 3, 1 << 20, 1 << 20)), "is more than 68,719,476,736 bytes"),
        (header((6, 3, 1 << 14, 1 << 14)), "images of 3 x 16384 x 16384 are not accepted"),
        (header((6, 3, 8, 8)), "0 of 6 rows are in the file"),
        (header((6, 3, 8, 8), fortran=True), "Fortran's order"),
        (b"junk" * 40, "declares a header of 1,802,401,130 bytes"),
    ],
)
def test_sizes_are_bounded_by_headers(head: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(forged(tmp_path / "a.npz", head))


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_damaged_files_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    for data in (b"", b"junk" * 100):
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"cannot read {path}"):
            load(path)


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root: missing"):
        Arrays().load("train")
    with pytest.raises(DataError, match="nothing at"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no arrays"):
        load(tmp_path)
    os.mkfifo(tmp_path / "train.npz")
    with pytest.raises(DataError, match="is no regular file"):
        load(tmp_path)


def test_the_registry_has_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=PIXELS, y_train=LABELS)
    assert build("arrays", "train", examples=3, root=tmp_path / "a.npz").name == "arrays"
