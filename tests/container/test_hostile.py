"""Files that lie: each is refused with one message that says what is wrong, before it costs anything."""

from __future__ import annotations

import copy
import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from brinell.container import inspect, read
from brinell.core import StoreError
from brinell.models import build, capture_graph
from brinell.variants import Variant
from container.samples import PREFIX, Mixed, binary, file_of, mixed, put_together, squeezed, taken_apart

Header = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return file_of(binary(), tmp_path_factory.mktemp("whole") / "v.brinell")


def refused(path: Path, data: bytes, message: str, **options: Any) -> None:
    path.write_bytes(data)
    with pytest.raises(StoreError, match=message):
        read(path, **options)


def test_cut_off_anywhere(tmp_path: Path, whole: bytes) -> None:
    for length in [*range(40), *range(40, len(whole), 97), len(whole) - 1]:
        refused(tmp_path / "v", whole[:length], "not a .brinell file|truncated|declares a file of")


def test_something_after_the_end(tmp_path: Path, whole: bytes) -> None:
    refused(tmp_path / "v", whole + b"x", f"declares a file of {len(whole)} bytes, and it has {len(whole) + 1}")


def test_something_between_a_streams_end_and_the_next(tmp_path: Path, whole: bytes) -> None:
    header, streams = taken_apart(whole)
    streams[0] += b"secret"
    header["sections"][0]["streams"][0][0] += 6
    refused(tmp_path / "v", put_together(header, streams), "followed by 6 bytes that belong to nothing")


@pytest.mark.parametrize("data", [b"", b"\x80\x04\x95", b"PK\x03\x04" * 20, bytes(100)])
def test_other_files(tmp_path: Path, data: bytes) -> None:
    refused(tmp_path / "v", data, "not a .brinell file")


def test_no_file_at_all(tmp_path: Path) -> None:
    for look in (read, inspect):
        with pytest.raises(StoreError, match="no such file"):
            look(tmp_path / "nothing")
        with pytest.raises(StoreError, match="no regular file but a folder"):
            look(tmp_path)
        with pytest.raises(StoreError, match="no regular file but a device"):
            look(Path("/dev/zero"))


def test_a_later_version(tmp_path: Path, whole: bytes) -> None:
    later = whole[:8] + struct.pack("<I", 2) + whole[12:]
    refused(tmp_path / "v", later, "version 2, and this brinell reads version 1; update it")


def test_one_bit_anywhere_in_front(tmp_path: Path, whole: bytes) -> None:
    _, _, length, _, _ = PREFIX.unpack_from(whole)
    for at in [*range(PREFIX.size), *range(PREFIX.size, PREFIX.size + length, 7)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        refused(tmp_path / "v", bytes(damaged), "cannot read")


def _terabytes(header: Header) -> None:
    header["sections"][0]["tensors"][0][1] = [1 << 20, 1 << 20]


def _width(header: Header) -> None:
    header["architecture"]["width"] = 10**6


def _widest(header: Header) -> None:
    header["architecture"]["width"] = 10**18


def _unknown_network(header: Header) -> None:
    header["architecture"] = {"kind": "resnet2000"}


def _unknown_field(header: Header) -> None:
    header["architecture"]["depth"] = 9


def _unknown_change(header: Header) -> None:
    header["structure"] = [{"kind": "run_this"}]


def _changed_twice(header: Header) -> None:
    header["structure"] *= 2


def _unknown_layer(header: Header) -> None:
    header["structure"][0]["layers"][0] = "model.layer9"


def _unknown_coding(header: Header) -> None:
    header["sections"][0]["coding"] = {"kind": "pickle"}


def _unknown_type(header: Header) -> None:
    header["sections"][0]["dtype"] = "object"


def _twice(header: Header) -> None:
    header["sections"].append(copy.deepcopy(header["sections"][0]))
    header["sections"][-1]["streams"] = []


def _missing(header: Header) -> None:
    header["sections"][0]["tensors"][0][0] += "2"


def _long_stream(header: Header) -> None:
    header["sections"][0]["streams"][0][1] = 1 << 47


def _negative(header: Header) -> None:
    header["sections"][0]["streams"][0][0] = -5


def _fraction(header: Header) -> None:
    header["sections"][0]["streams"][0][0] = 7.5


def _one_stream_less(header: Header) -> None:
    entries = header["sections"][0]["streams"]
    entries[0][0] += entries.pop()[0]


def _unknown_key(header: Header) -> None:
    header["command"] = "rm"


def _large_input(header: Header) -> None:
    header["input_shape"] = [3, 10**6, 10**6]


def _classes(header: Header) -> None:
    header["classes"] += 1


def _colours(header: Header) -> None:
    header["input_shape"][0] = 3


def _image_of_gigabytes(header: Header) -> None:
    header["input_shape"] = [16384, 16384, 16384]


def _many_changes(header: Header) -> None:
    header["structure"] = [{"kind": "binary_layers", "layers": []}] * 20_000


LIES: dict[Callable[[Header], None], str] = {
    _terabytes: r"\(1048576, 1048576\) in the file",
    _width: r"'model\.conv1\.weight' is \(16, 1, 3, 3\) in the file and \(1000000, 1, 3, 3\) in the network",
    _widest: "network cannot be built",
    _unknown_network: "unknown architecture 'resnet2000'; .*accepted: resnet8, resnet20",
    _unknown_field: r"architecture\.depth: unknown key",
    _unknown_change: "unknown structural change 'run_this'",
    _changed_twice: "is not a convolution of this model",
    _unknown_layer: "'model.layer9' is not a convolution",
    _unknown_coding: "unknown coding 'pickle'; accepted: bits, nested_bits, power_of_two, int8, codebook, sparse",
    _unknown_type: "unknown type 'object'; known: float32",
    _twice: "declares a tensor twice",
    _missing: r"'model\.conv1\.weight' is missing; 'model\.conv1\.weight2' is not part of the network",
    _long_stream: "declares 140737488355328 bytes, and can hold",
    _negative: r"sections\.0\.streams\.0\.0: input should be greater than or equal to 0",
    _fraction: r"sections\.0\.streams\.0\.0: input should be a valid integer",
    _one_stream_less: "the coding 'dense' takes 4 streams, not 3",
    _unknown_key: "command: unknown key",
    _large_input: r"input_shape\.1",
    _classes: "the header declares 11 classes, and its architecture 10",
    _colours: r"the header declares images \(3, 8, 8\), and its architecture \(1, 8, 8\)",
    _image_of_gigabytes: "input_shape: an image has at most 67,108,864 values",
    _many_changes: "structure: .*at most 256 items",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__[1:])
def test_headers_that_lie(tmp_path: Path, whole: bytes, lie: Callable[[Header], None]) -> None:
    header, streams = taken_apart(whole)
    lie(header)
    tracemalloc.start()
    refused(tmp_path / "v", put_together(header, streams), LIES[lie])
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_terabytes_are_refused_where_no_network_says_otherwise(tmp_path: Path, whole: bytes) -> None:
    header, streams = taken_apart(whole)
    _terabytes(header)
    (tmp_path / "v").write_bytes(put_together(header, streams))
    with pytest.raises(StoreError, match="bytes are declared, which"):
        inspect(tmp_path / "v")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not plain JSON"),
        (b"null", "header is damaged"),
        (b"[" * 200_000, "not plain JSON"),
        (b"[" * 40 + b"]" * 40, "nested more than 32 deep"),
        (b'{"a":1,"a":2}', "a key stands twice"),
        (b'{"classes":NaN}', "NaN is not JSON"),
        (b'{"classes":1e999}', "not plain JSON"),
        (b'{"classes":"\\ud800"}', "not plain JSON"),
        (b'{"classes":' + b"9" * 10_000 + b"}", "not plain JSON"),
        (b'\xff{"classes":1}', "not plain JSON"),
        (b" " * (5 << 20), "4194304 are accepted"),
        (b'{"sections":[' + b"0," * 200_000 + b"0]}", "header is damaged"),
        (b"{" + b",".join(b'"%d":0' % key for key in range(50_000)) + b"}", "an object has 50000 keys"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_headers_that_are_no_headers(tmp_path: Path, text: bytes, message: str) -> None:
    started = time.process_time()
    tracemalloc.start()
    refused(tmp_path / "v", put_together(text, []), message)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert time.process_time() - started < 20


def test_a_header_that_inflates_to_more_than_it_declares(tmp_path: Path) -> None:
    packed = squeezed(bytes(10**8))
    numbers = struct.pack("<III", 1, len(packed), 1000)
    data = b"\x89BRINELL" + numbers + struct.pack("<I", zlib.crc32(packed, zlib.crc32(numbers))) + packed
    tracemalloc.start()
    refused(tmp_path / "v", data, "not of the 1000 bytes that the header declares")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_stream_that_inflates_to_more_than_it_declares(tmp_path: Path, whole: bytes) -> None:
    header, streams = taken_apart(whole)
    streams[0] = squeezed(bytes(10**8))
    header["sections"][0]["streams"][0][0] = len(streams[0])
    data = put_together(header, streams)
    tracemalloc.start()
    refused(tmp_path / "v", data, r"'model\.conv1\.weight': a DEFLATE stream is not of the")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_streams_that_were_exchanged(tmp_path: Path, whole: bytes) -> None:
    header, streams = taken_apart(whole)
    entries = [entry for section in header["sections"] for entry in section["streams"]]
    streams[0], streams[1] = streams[1], streams[0]
    entries[0][0], entries[1][0] = entries[1][0], entries[0][0]
    refused(tmp_path / "v", put_together(header, streams), "damaged")


@pytest.mark.parametrize(("name", "word"), [("of_float32", 0x7FC00000), ("of_float16", 0x7C00), ("of_bool", 2)])
def test_values_that_no_writer_saves(tmp_path: Path, name: str, word: int) -> None:
    header, streams = taken_apart(file_of(mixed(), tmp_path / "v"))
    at = 0
    for section in header["sections"]:
        if section["tensors"][0][0] == name:
            break
        at += len(section["streams"])
    count = sum(int(np.prod(shape)) for _, shape in section["tensors"])
    itemsize = {"of_float32": 4, "of_float16": 2, "of_bool": 1}[name]
    rotated = ((word << 1) | (word >> (8 * itemsize - 1))) & ((1 << 8 * itemsize) - 1) if name != "of_bool" else word
    values = np.full(count, rotated, f"<u{itemsize}").view(np.uint8).reshape(count, itemsize).T.tobytes()
    streams[at : at + len(section["streams"])] = [squeezed(values)]
    section["coding"] = {"kind": "dense", "apart": False}
    section["streams"] = [[len(streams[at]), len(values), zlib.crc32(values)]]
    message = f"'{name}': it holds (NaN or infinite values|booleans that are neither)"
    refused(tmp_path / "v", put_together(header, streams), message, model=Mixed())


def test_a_file_taken_apart_and_put_together_is_the_same(tmp_path: Path, whole: bytes) -> None:
    """Else the tests above would be refused for another reason than theirs."""
    header, streams = taken_apart(whole)
    (tmp_path / "v").write_bytes(put_together(json.loads(json.dumps(header)), streams))
    assert read(tmp_path / "v").tensors


def declaring(path: Path, variant: Variant, **changes: Any) -> Path:
    """A file of the variant whose header has these fields instead."""
    header, streams = taken_apart(file_of(variant, path))
    path.write_bytes(put_together({**header, **changes}, streams))
    return path


@pytest.mark.parametrize(("field", "value"), [("classes", 3), ("input_shape", [1, 9, 8]), ("input_shape", [3, 8, 8])])
def test_headers_that_contradict_their_graph(tmp_path: Path, field: str, value: Any) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    variant = Variant.of(capture_graph(module, (1, 8, 8)), input_shape=(1, 8, 8), classes=4)
    with pytest.raises(StoreError, match=r"the header declares .*, and its architecture"):
        read(declaring(tmp_path / "v", variant, **{field: value}))


def test_classes_that_contradict_the_caller_s_own_network(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    variant = Variant.of(module, input_shape=(1, 8, 8), classes=4)
    with pytest.raises(StoreError, match="the header declares 3 classes, and its network gives 4"):
        read(declaring(tmp_path / "v", variant, classes=3), model=module)


def test_images_that_the_architecture_cannot_take(tmp_path: Path) -> None:
    """A convolutional network takes other sizes than its own, but not every one."""
    network = build("cifar_alexnet")
    variant = Variant.of(network, input_shape=(3, 32, 32), classes=10)
    path = declaring(tmp_path / "v", variant, input_shape=[3, 4, 4])
    with pytest.raises(StoreError, match=r"input_shape \(3, 4, 4\) does not fit its network"):
        read(path)
