"""Files that are small and ask for much: each is made, read in a process of its own, and measured.

`python tests/hostile_files.py` prints the table of `docs/security.md`; with `--json` the figures.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import nn

from brinell.container import load, read_deep_compression, save
from brinell.core import BrinellError
from brinell.data import Arrays, HuggingFace, ImageFiles
from brinell.models import NETWORK_SOURCES, build, load_weights
from brinell.store import read_table
from brinell.store.task_status import read_json
from brinell.study import Study
from brinell.study.reading import parse_yaml, read_text
from brinell.variants import Variant

Reader = Callable[[], object]
ROWS: dict[str, Callable[[Path], Reader]] = {}
"""By what is attacked: makes the file in a folder, and returns what reads it."""


def row(name: str) -> Callable[[Callable[[Path], Reader]], Callable[[Path], Reader]]:
    def add(make: Callable[[Path], Reader]) -> Callable[[Path], Reader]:
        ROWS[name] = make
        return make

    return add


# Images


def png(width: int, height: int, depth: int, kind: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    framed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def images_of(folder: Path, data: bytes, **settings: Any) -> Reader:
    for name in ("a", "b"):
        (folder / "root" / "train" / name).mkdir(parents=True, exist_ok=True)
        (folder / "root" / "test" / name).mkdir(parents=True, exist_ok=True)
        (folder / "root" / "train" / name / "x.png").write_bytes(data)
    return lambda: ImageFiles(root=folder / "root", cache=folder / "cache", **settings).load("train")


@row("image: 16-bit PNG of 9,459 x 9,459 pixels in 141 bytes")
def _(folder: Path) -> Reader:
    return images_of(folder, png(9459, 9459, 16, 0, zlib.compress(bytes(50))))


@row("image: 1 x 4,000,000 pixels, scaled to 224 x 224")
def _(folder: Path) -> Reader:
    return images_of(folder, png(1, 4_000_000, 8, 0, zlib.compress(bytes(8_000_000), 1)), size=224, crop="none")


@row("image: 600,000 x 1 pixels, cut to 224 x 224")
def _(folder: Path) -> Reader:
    buffer = io.BytesIO()
    Image.new("L", (150_000, 1)).save(buffer, "PNG")
    return images_of(folder, buffer.getvalue(), size=224)


# Tables and arrays


@row("parquet: rows of a run, 30,000,000 equal ones")
def _(folder: Path) -> Reader:
    frame = pl.select(pl.repeat(0, 30_000_000, dtype=pl.Int64).alias("label"))
    frame.write_parquet(folder / "rows.parquet", row_group_size=30_000_000)
    return lambda: read_table(folder / "rows.parquet")


@row("parquet: labels of images, 30,000,000 equal ones")
def _(folder: Path) -> Reader:
    frame = pl.DataFrame({"image": [{"bytes": b"", "path": ""}], "label": [0]})
    frame = pl.concat([frame] * 20).select(pl.all().repeat_by(1_000_000).explode())
    frame.write_parquet(folder / "train.parquet", row_group_size=20_000_000)
    return lambda: HuggingFace(root=folder, cache=folder / "cache").load("train")


@row("CSV: 2,000,000 columns")
def _(folder: Path) -> Reader:
    (folder / "list.csv").write_bytes(b"path,label" + b",x" * 2_000_000 + b"\n" + b"a,b" + b"," * 2_000_000 + b"\n")
    return lambda: ImageFiles(csv=folder / "list.csv", cache=folder / "cache").load("train")


def npy_header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@row("npz: a header of 500 MB, deflated to 0.5 MB")
def _(folder: Path) -> Reader:
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", npy_header((1,)) + bytes(1))
        with archive.open("images.npy", "w", force_zip64=True) as file:
            file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", 500_000_000))
            for _ in range(50):
                file.write(bytes(10_000_000))
    return lambda: Arrays(root=folder / "a.npz", cache=folder / "cache").load("train")


@row("npy: 60 GiB declared by 128 bytes")
def _(folder: Path) -> Reader:
    (folder / "images.npy").write_bytes(npy_header((60, 1 << 30, 1)))
    (folder / "labels.npy").write_bytes(npy_header((60,)) + bytes(60))
    return lambda: Arrays(root=folder, cache=folder / "cache").load("train")


# Networks


@row("checkpoint: deflated, 200 MB of zeros in 0.2 MB")
def _(folder: Path) -> Reader:
    state = {"conv1.weight": torch.zeros(50_000_000)}
    torch.save(state, folder / "plain.pt")
    with (
        zipfile.ZipFile(folder / "plain.pt") as source,
        zipfile.ZipFile(folder / "a.pt", "w", zipfile.ZIP_DEFLATED) as to,
    ):
        for name in source.namelist():
            with source.open(name) as data, to.open(name, "w") as out:
                while part := data.read(1 << 24):
                    out.write(part)
    (folder / "plain.pt").unlink()
    return lambda: load_weights(build("resnet8"), folder / "a.pt")


@row("checkpoint: one number expanded to 10^12")
def _(folder: Path) -> Reader:
    torch.save({"conv1.weight": torch.zeros(1).expand(10**6, 10**6)}, folder / "a.pt")
    return lambda: load_weights(build("resnet8"), folder / "a.pt")


@row("safetensors: another network's, 1 GB (sparse file)")
def _(folder: Path) -> Reader:
    header = json.dumps({"x": {"dtype": "F32", "shape": [250_000_000], "data_offsets": [0, 10**9]}}).encode()
    with (folder / "a.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 10**9)
    return lambda: load_weights(build("resnet8"), folder / "a.safetensors")


def exported(folder: Path) -> Path:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    torch.export.save(torch.export.export(module.eval(), (torch.rand(2, 1, 8, 8),)), folder / "plain.pt2")
    return folder / "plain.pt2"


def changed_archive(source: Path, target: Path, change: Callable[[str, bytes], bytes], compression: int) -> None:
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w", compression) as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)))


@row("pt2: a weight of 10^10 values over one number")
def _(folder: Path) -> Reader:
    def change(name: str, data: bytes) -> bytes:
        if not name.endswith("model_weights_config.json"):
            return data
        config = json.loads(data)
        for entry in config["config"].values():
            entry["tensor_meta"]["sizes"] = [{"as_int": 10**5}, {"as_int": 10**5}]
            entry["tensor_meta"]["strides"] = [{"as_int": 0}, {"as_int": 0}]
        return json.dumps(config).encode()

    changed_archive(exported(folder), folder / "a.pt2", change, zipfile.ZIP_STORED)
    return lambda: NETWORK_SOURCES.parse({"kind": "exported", "file": folder / "a.pt2"}).load()


@row("pt2: JSON nested 1,000,000 deep")
def _(folder: Path) -> Reader:
    def change(name: str, data: bytes) -> bytes:
        return b"[" * 1_000_000 if "/models/" in name and name.endswith(".json") else data

    changed_archive(exported(folder), folder / "a.pt2", change, zipfile.ZIP_STORED)
    return lambda: NETWORK_SOURCES.parse({"kind": "exported", "file": folder / "a.pt2"}).load()


@row("pt2: deflated, 200 MB in 0.2 MB")
def _(folder: Path) -> Reader:
    def change(name: str, data: bytes) -> bytes:
        return bytes(200_000_000) if "/weights/weight_" in name else data

    changed_archive(exported(folder), folder / "a.pt2", change, zipfile.ZIP_DEFLATED)
    return lambda: NETWORK_SOURCES.parse({"kind": "exported", "file": folder / "a.pt2"}).load()


@row("ONNX: 400 tensors that are one region of 10 MB in another file")
def _(folder: Path) -> Reader:
    import onnx
    from onnx import TensorProto, helper

    (folder / "data.bin").write_bytes(bytes(10_000_000))
    tensors = []
    for number in range(400):
        tensor = TensorProto(name=f"t{number}", data_type=TensorProto.FLOAT, dims=[2_500_000])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="data.bin")
        tensors.append(tensor)
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])
    logits = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "g", [images], [logits], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "a.onnx")
    return lambda: NETWORK_SOURCES.parse({"kind": "onnx", "file": folder / "a.onnx"}).load()


@row("ONNX: every image times every other, in a batch of 256")
def _(folder: Path) -> Reader:
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Transpose", ["f"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "t"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["m"], axes=[1], keepdims=1),
        helper.make_node("Add", ["f", "m"], ["y"]),
    ]
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])
    logits = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [images], [logits])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    (folder / "a.onnx").write_bytes(data)
    assert onnx
    return lambda: NETWORK_SOURCES.parse({"kind": "onnx", "file": folder / "a.onnx"}).load()


@row(".net: /dev/zero")
def _(folder: Path) -> Reader:
    return lambda: read_deep_compression(Path("/dev/zero"), "squeezenet1_0")


# The container


@row(".brinell: a network of zeros, 40 MB in 40 kB")
def _(folder: Path) -> Reader:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 150_000), nn.Linear(150_000, 2))
    for value in module.parameters():
        value.data.zero_()
    save(Variant.of(module, input_shape=(1, 8, 8), classes=2), folder / "a.brinell")
    skeleton = nn.Sequential(nn.Flatten(), nn.Linear(64, 150_000), nn.Linear(150_000, 2))
    return lambda: load(folder / "a.brinell", model=skeleton)


@row(".brinell: 65,000 structure changes")
def _(folder: Path) -> Reader:
    path = folder / "a.brinell"
    save(Variant.of(build("resnet8"), input_shape=(1, 8, 8), classes=10), path)
    data = path.read_bytes()
    _, version, length, _, _ = struct.unpack_from("<8sIIII", data)
    header = json.loads(zlib.decompress(data[24 : 24 + length], -15))
    header["structure"] = [{"kind": "binary_layers", "layers": []}] * 65_000
    text = json.dumps(header, separators=(",", ":")).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    numbers = struct.pack("<III", version, len(packed), len(text))
    check = struct.pack("<I", zlib.crc32(packed, zlib.crc32(numbers)))
    path.write_bytes(data[:8] + numbers + check + packed + data[24 + length :])
    return lambda: load(path)


# Studies and run folders


@row("YAML: 60 levels of aliases, 2^60 values")
def _(folder: Path) -> Reader:
    levels = "".join(f"x{at}: &x{at} [*x{at - 1}, *x{at - 1}]\n" for at in range(1, 60))
    return lambda: parse_yaml(f"x0: &x0 [1]\n{levels}", "bomb.yaml")


@row("YAML: 1 MiB of brackets")
def _(folder: Path) -> Reader:
    return lambda: parse_yaml("[" * (1 << 20), "deep.yaml")


@row("YAML: 300,000 numbers")
def _(folder: Path) -> Reader:
    return lambda: parse_yaml("[" + "1," * 300_000 + "1]", "long.yaml")


@row("YAML: 4 GiB (sparse file)")
def _(folder: Path) -> Reader:
    with (folder / "a.yaml").open("wb") as file:
        file.truncate(1 << 32)
    return lambda: Study.from_yaml(folder / "a.yaml")


@row("JSON of a run: nested 2,000,000 deep")
def _(folder: Path) -> Reader:
    (folder / "a.json").write_bytes(b"[" * 2_000_000)
    return lambda: read_json(folder / "a.json")


@row("JSON of a run: 4 GiB (sparse file)")
def _(folder: Path) -> Reader:
    with (folder / "a.json").open("wb") as file:
        file.truncate(1 << 32)
    return lambda: read_json(folder / "a.json")


# What is no file


def special(folder: Path, kind: str, suffix: str) -> Path:
    path = folder / f"a{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    return path


SPECIAL: dict[str, Callable[[Path], object]] = {
    ".brinell": load,
    ".safetensors": lambda path: load_weights(build("resnet8"), path),
    ".pt": lambda path: load_weights(build("resnet8"), path),
    ".pt2": lambda path: NETWORK_SOURCES.parse({"kind": "exported", "file": path}).load(),
    ".onnx": lambda path: NETWORK_SOURCES.parse({"kind": "onnx", "file": path}).load(),
    ".net": lambda path: read_deep_compression(path, "squeezenet1_0"),
    ".npz": lambda path: Arrays(root=path, cache=path.parent / "cache").load("train"),
    ".csv": lambda path: ImageFiles(csv=path, cache=path.parent / "cache").load("train"),
    ".yaml": read_text,
    ".json": read_json,
    ".parquet": read_table,
}
"""Readers by the ending of the file that each expects."""


def _special_row(kind: str) -> Callable[[Path], Reader]:
    def make(folder: Path) -> Reader:
        paths = {suffix: special(folder, kind, suffix) for suffix in SPECIAL}

        def read() -> None:
            for suffix, path in paths.items():
                try:
                    SPECIAL[suffix](path)
                except BrinellError:
                    continue
                raise AssertionError(f"{suffix} was read")
            raise BrinellError(f"all {len(paths)} readers refuse it")

        return read

    return make


for _kind in ("pipe", "socket", "device", "folder"):
    ROWS[f"a {_kind} where each of {len(SPECIAL)} readers expects a file"] = _special_row(_kind)


# Measuring


def measured(name: str, seconds: int = 90) -> dict[str, Any]:
    """Make and read the file in a child: what is said, the memory that reading took, and the time."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        with tempfile.TemporaryDirectory() as folder:
            os.write(sending, json.dumps(_made_and_read(name, Path(folder))).encode())
        os._exit(0)
    os.close(sending)
    began = time.monotonic()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > began + seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.005)
    with os.fdopen(receiving) as pipe:
        killed = {"said": "", "outcome": f"killed after {seconds} s", "megabytes": None, "bytes": None, "seconds": None}
        return dict(json.loads(pipe.read() or json.dumps(killed)))


def _made_and_read(name: str, folder: Path) -> dict[str, Any]:
    reader = ROWS[name](folder)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, began = _resident("VmRSS"), time.monotonic()
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    try:
        reader()
        said, outcome = "", "read"
    except BrinellError as error:
        said, outcome = str(error).partition("\n")[0], "refused"
    except BaseException as error:
        said, outcome = f"{type(error).__name__}: {error}", "failed"
    took = {"megabytes": max(0, math.ceil((_resident("VmHWM") - before) / 1024)), "bytes": size}
    return {"said": said[:800], "outcome": outcome, **took, "seconds": round(time.monotonic() - began, 2)}


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(f"{field}:")).split()[1])


def main() -> None:
    torch.set_num_threads(1)
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    found = {}
    for name in (name for name in ROWS if not words or any(word in name for word in words)):
        figures = found[name] = measured(name)
        if "--json" not in sys.argv:
            print(
                "|",
                " | ".join([name, *(str(figures[key]) for key in ("bytes", "megabytes", "seconds", "outcome"))]),
                "|",
            )
        if "--said" in sys.argv:
            print("   ", figures["said"])
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
