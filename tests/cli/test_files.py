from __future__ import annotations

import pytest

from brinell.container import inspect
from container.test_deep_compression import SMALL, example


def test_import_writes_a_file(brinell, tmp_path):
    (tmp_path / "a.net").write_bytes(example("cifar_alexnet")[1])
    sets = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    target = tmp_path / "a.brinell"
    said = brinell("import", "deep-compression", tmp_path / "a.net", "--model", "cifar_alexnet", "--out", target, *sets)
    assert said.status == 0, said.err
    assert f"{target}: {target.stat().st_size:,} bytes" in said.out
    assert inspect(target).architecture["channel_order"] == "bgr"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "squeezenet1_0"], "is of another architecture"),
        (["--model", "squeezenet1-0"], "did you mean 'squeezenet1_0'?"),
        (["--model", "cifar_alexnet", "--set", "clases=3"], "did you mean 'classes'?"),
        (["--model", "cifar_alexnet", "--effort", "most"], "unknown effort 'most'; accepted: fast, default, best"),
    ],
)
def test_mistakes(brinell, tmp_path, arguments, said):
    (tmp_path / "a.net").write_bytes(example("cifar_alexnet")[1])
    sets = (
        [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
        if "--effort" in arguments
        else []
    )
    target = tmp_path / "a.brinell"
    found = brinell("import", "deep-compression", tmp_path / "a.net", "--out", target, *arguments, *sets)
    assert found.status == 1
    assert said in found.err
    assert not target.exists()


def test_help_has_an_example(brinell):
    assert "$ brinell import deep-compression" in brinell("import", "deep-compression", "--help").out


def test_export_writes_what_onnx_runtime_computes(brinell, tmp_path):
    from brinell.container import write
    from container.samples import VARIANTS

    write(VARIANTS["pruned"](), tmp_path / "v.brinell")
    said = brinell("export", tmp_path / "v.brinell", "--onnx", tmp_path / "v.onnx")
    assert said.status == 0, said.err
    assert f"{(tmp_path / 'v.onnx').stat().st_size:,} bytes" in said.out
    assert "$ brinell export" in brinell("export", "--help").out


def test_export_writes_an_openvino_model_of_bits(brinell, tmp_path):
    import openvino

    from brinell.container import write
    from container.samples import VARIANTS

    write(VARIANTS["binary"](), tmp_path / "v.brinell")
    said = brinell("export", tmp_path / "v.brinell", "--openvino", tmp_path / "model")
    assert said.status == 0, said.err
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.bin", "model.xml"]
    operations = [
        node.get_type_name() for node in openvino.Core().read_model(tmp_path / "model" / "model.xml").get_ops()
    ]
    assert operations.count("BinaryConvolution") == 6
    bits = sum(tensor.numel() for tensor in VARIANTS["binary"]().tensors.values() if tensor.dim() == 4) / 8
    assert (tmp_path / "model" / "model.bin").stat().st_size < bits + 20_000
    again = brinell("export", tmp_path / "v.brinell", "--openvino", tmp_path / "model")
    assert again.status == 1
    assert "exists already" in again.err
    nothing = brinell("export", tmp_path / "v.brinell")
    assert nothing.status == 1
    assert "give --onnx OUT or --openvino DIR" in nothing.err


def test_sizes_compares_files(brinell, tmp_path):
    from brinell.container import write
    from container.samples import VARIANTS

    for name in ("pruned", "binary"):
        write(VARIANTS[name](), tmp_path / f"{name}.brinell")
    said = brinell("sizes", tmp_path / "pruned.brinell", tmp_path / "binary.brinell")
    assert said.status == 0, said.err
    header, first, second = said.out.splitlines()
    assert header.split() == ["file", "dense", "file", "nominal", "entropy", "deflate", "xz", "zstd", "brotli", "zpaq"]
    assert first.split()[0] == "pruned.brinell"
    assert f"{(tmp_path / 'binary.brinell').stat().st_size:,}" in second
    assert "$ brinell sizes" in brinell("sizes", "--help").out

    (tmp_path / "broken.brinell").write_bytes(b"no file of ours")
    partly = brinell("sizes", tmp_path / "broken.brinell", tmp_path / "binary.brinell")
    assert partly.status == 1
    assert "binary.brinell" in partly.out  # what can be read is shown
    assert "broken.brinell" in partly.err
