"""`.pt2` files of `torch.export.save`: the graph in their JSON and the weights in their bytes, and nothing unpickled.

`torch.export.load` unpickles sample inputs and some weights with full trust; this reader never looks at those.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor, nn

from brinell.core import ModelError, check_stored_archive, open_regular_file
from brinell.nn.graph.graph_network import check_operators
from brinell.nn.graph.naming import name_tensors, tensor_specs
from brinell.nn.graph.network_graph import GraphNode, NetworkGraph
from brinell.nn.graph.node_layers import FEATURE_NORM

SCHEMA: Final = 8
"""Major version of PyTorch's schema of exported programs."""

_MOST_JSON: Final = 1 << 25
_MOST_BYTES: Final = 1 << 34
_TIMES_THE_FILE: Final = 4  # bytes of all tensors, read and copied; tied weights lie in it once
_NAMES: Final = ("uint8", "int32", "int64", "float16", "float32", "float64", "bool", "bfloat16")
_DTYPES: Final = {number: getattr(torch, name) for number, name in zip((1, 4, 5, 6, 7, 8, 12, 13), _NAMES, strict=True)}
"""By PyTorch's numbers of scalar types in the schema."""

_IGNORED: Final = frozenset(
    {"_assert_scalar.default", "_assert_tensor_metadata.default", "sym_constrain_range_for_size.default"}
    | {"sym_constrain_range.default", "_assert_async.msg"}
)
"""Checks, which compute nothing."""
_INTEGERS: Final = {"add": "integer.add", "sub": "integer.sub", "mul": "integer.mul", "floordiv": "integer.floordiv"}
_RESHAPES: Final = ("view", "reshape", "_unsafe_view", "expand")
_VIEWS: Final = frozenset(
    {"view", "reshape", "flatten.using_ints", "permute", "transpose.int", "t", "slice.Tensor", "select.int", "expand"}
    | {"squeeze", "squeeze.dim", "squeeze.dims", "unsqueeze", "alias", "chunk", "split.Tensor", "unbind.int", "detach_"}
    | {"getitem", "narrow", "contiguous", "unflatten.int", "split_with_sizes"}
)


def read_exported(file: Path | BinaryIO) -> tuple[NetworkGraph, dict[str, Tensor]]:
    """The graph and the tensors of an exported classifier: a `.pt2` file, or its bytes.

    Args:
        file: A path, or an open file of bytes.

    Returns:
        What is computed, and the values of its tensors by name.

    Raises:
        ModelError: the file is damaged, of another version, or holds what a classifier does not need; unknown operators
            are all named.
    """
    path = file if isinstance(file, (str, Path)) else "the exported network"
    try:
        bytes_of_file = open_regular_file(Path(file)) if isinstance(file, (str, Path)) else nullcontext(file)
        with bytes_of_file as opened, zipfile.ZipFile(opened) as archive:
            return _Archive(archive, str(path), opened.seek(0, os.SEEK_END)).read()
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ModelError(f"{path}: is no .pt2 file of torch.export.save ({error})") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: the exported program is damaged ({type(error).__name__}: {error})") from None


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, where: str, size: int) -> None:
        check_stored_archive(archive, size)
        self.archive, self.where, self.bytes_left = archive, where, _TIMES_THE_FILE * size
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}
        roots = [name.removesuffix("archive_format") for name in self.sizes if name.endswith("archive_format")]
        if len(roots) != 1:
            raise ModelError(f"{where}: is no .pt2 file of torch.export.save")
        self.root = roots[0]

    def read(self) -> tuple[NetworkGraph, dict[str, Tensor]]:
        models = [name for name in self.sizes if name.startswith(f"{self.root}models/") and name.endswith(".json")]
        if len(models) != 1:
            raise ModelError(f"{self.where}: expected one exported program, found {len(models)}")
        if f"{self.root}byteorder" in self.sizes and self._bytes("byteorder", 16) != b"little":
            raise ModelError(f"{self.where}: its numbers are big-endian")
        program = json.loads(self._bytes(models[0].removeprefix(self.root), _MOST_JSON))
        version = program["schema_version"]["major"]
        if version != SCHEMA:
            raise ModelError(
                f"{self.where}: was written in version {version} of the format, by PyTorch "
                f"{program.get('torch_version')}; accepted: version {SCHEMA}"
            )
        module = program["graph_module"]
        payloads = {**self._config("weights", "model_weights"), **self._config("constants", "model_constants")}
        reader = _Program(module["graph"], module["signature"], self.where)
        tensors = {name: self._tensor(payloads, *source) for name, source in reader.tensors.items()}
        return reader.network(tensors)

    def _config(self, folder: str, name: str) -> dict[str, tuple[str, Any]]:
        path = f"data/{folder}/{name}_config.json"
        if f"{self.root}{path}" not in self.sizes:
            return {}
        entries = json.loads(self._bytes(path, _MOST_JSON))["config"]
        return {target: (f"data/{folder}/{entry['path_name']}", entry) for target, entry in entries.items()}

    def _tensor(self, payloads: Mapping[str, tuple[str, Any]], target: str, trained: bool) -> Tensor:
        path, entry = payloads[target]
        if entry["use_pickle"]:
            raise ModelError(f"{self.where}: the tensor {target!r} is pickled, which can run code when it is read")
        meta = entry["tensor_meta"]
        if meta["dtype"] not in _DTYPES:
            raise ModelError(f"{self.where}: the tensor {target!r} is of a type that is not accepted")
        dtype = _DTYPES[meta["dtype"]]
        shape: list[int] = [int(side["as_int"]) for side in meta["sizes"]]
        strides: list[int] = [int(side["as_int"]) for side in meta["strides"]]
        offset = int(meta["storage_offset"]["as_int"])
        data = bytearray(self._bytes(path, _MOST_BYTES))
        storage = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        reach = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True)) + 1
        if min([0, offset, *shape, *strides]) < 0 or (0 not in shape and reach > storage.numel()):
            raise ModelError(f"{self.where}: the tensor {target!r} reaches beyond its bytes")
        self.bytes_left -= math.prod(shape) * dtype.itemsize + len(data)
        if self.bytes_left < 0:
            raise ModelError(f"{self.where}: tensors declare over {_TIMES_THE_FILE} times the file's bytes")
        tensor = storage.as_strided(shape, strides, offset).clone(memory_format=torch.contiguous_format)
        requires_grad = bool(meta["requires_grad"]) and tensor.is_floating_point()
        return nn.Parameter(tensor, requires_grad=requires_grad) if trained else tensor

    def _bytes(self, path: str, most: int) -> bytes:
        name = f"{self.root}{path}"
        if self.sizes[name] > most:
            raise ModelError(f"{self.where}: {path} has {self.sizes[name]:,} bytes; at most {most:,} are accepted")
        return self.archive.read(name)


class _Program:
    """One graph's nodes, translated in order."""

    def __init__(self, graph: Mapping[str, Any], signature: Mapping[str, Any], where: str) -> None:
        self.graph, self.where = graph, where
        self.values: dict[str, Any] = {}
        self.tensors: dict[str, tuple[str, bool]] = {}
        self.nodes: list[GraphNode] = []
        self.roots: dict[str, str] = {}
        self.overwritten: set[str] = set()
        self.input_shape, self.batch = self._inputs(signature["input_specs"])
        outputs = [spec["user_output"]["arg"]["as_tensor"]["name"] for spec in signature["output_specs"]]
        if len(outputs) != 1:
            raise ModelError(f"{where}: expected one output, not {len(outputs)}")
        self.output: str = outputs[0]

    def _inputs(self, specs: list[Any]) -> tuple[tuple[int, int, int], int | None]:
        images: list[str] = []
        for spec in specs:
            ((kind, entry),) = spec.items()
            if kind == "user_input":
                images.append(entry["arg"]["as_tensor"]["name"])
            elif kind in ("parameter", "buffer", "tensor_constant"):
                target = entry[f"{kind}_name"]
                self.values[entry["arg"]["name"]] = {"tensor": target}
                self.tensors[target] = (target, kind == "parameter")
            else:
                raise ModelError(f"{self.where}: an input of kind {kind!r} is not accepted")
        if len(images) != 1:
            raise ModelError(f"{self.where}: expected one input, a batch of images, not {len(images)}")
        self.values[images[0]] = {"value": 0}
        self.images = images[0]
        sizes = self.graph["tensor_values"][images[0]]["sizes"]
        if len(sizes) != 4 or not all("as_int" in size for size in sizes[1:]):
            raise ModelError(f"{self.where}: expected an input of (batch, channels, height, width) with fixed sides")
        channels, height, width = (int(size["as_int"]) for size in sizes[1:])
        return (channels, height, width), (int(sizes[0]["as_int"]) if "as_int" in sizes[0] else None)

    def network(self, tensors: Mapping[str, Tensor]) -> tuple[NetworkGraph, dict[str, Tensor]]:
        names = [self._operator(node["target"]) for node in self.graph["nodes"]]
        check_operators(_functional(name) for name in names if name not in _IGNORED)
        for name, node in zip(names, self.graph["nodes"], strict=True):
            if name not in _IGNORED:
                self._node(name, node)
        nodes, renamed = name_tensors(self.nodes, tensors)
        output = self.values[self.output].get("value", 0)
        graph = NetworkGraph(nodes, tensor_specs(renamed), output, self.input_shape)
        graph.check()
        return graph, renamed

    def _operator(self, target: str) -> str:
        if target.startswith("torch.ops.aten."):
            return target.removeprefix("torch.ops.aten.").removesuffix(".default")
        if target.startswith("_operator."):
            name = target.removeprefix("_operator.")
            return _INTEGERS.get(name, name)
        return target

    def _node(self, name: str, node: Mapping[str, Any]) -> None:
        arguments = [self._argument(entry["arg"]) for entry in node["inputs"] if entry.get("kind") != 2]
        keywords = {entry["name"]: self._argument(entry["arg"]) for entry in node["inputs"] if entry.get("kind") == 2}
        keywords = {key: value for key, value in keywords.items() if key not in ("memory_format", "layout", "device")}
        sources = [part["as_tensor"]["name"] for entry in node["inputs"] if "as_tensor" in (part := entry["arg"])]
        for source in sources:
            if self.roots.get(source, source) in self.overwritten and source not in self.values:
                raise ModelError(f"{self.where}: {name} reads what another name has overwritten in place")
        functional = _functional(name)
        if functional in _RESHAPES:
            arguments = self._for_any_batch(arguments)
        if functional == "batch_norm" and self._rank(node) != 4:
            functional = FEATURE_NORM
        self.nodes.append(GraphNode(functional, tuple(arguments), keywords))
        result = {"value": len(self.nodes)}
        if functional != name:
            self._overwrite(sources[0], result)
        self._results(node["outputs"], result, sources[0] if functional in _VIEWS and sources else None)

    def _results(self, outputs: list[Any], result: Any, viewed: str | None) -> None:
        for output in outputs:
            if "as_tensors" in output:
                names = [part["name"] for part in output["as_tensors"]]
                for place, name in enumerate(names):
                    self.nodes.append(GraphNode("getitem", (result, place)))
                    self._bind(name, {"value": len(self.nodes)}, viewed)
                return
        named = [output for output in outputs if "as_none" not in output]
        if len(named) == 1:
            ((kind, entry),) = named[0].items()
            self._bind(entry["as_name"] if kind == "as_sym_int" else entry["name"], result, viewed)
            return
        for place, output in enumerate(named):
            self.nodes.append(GraphNode("getitem", (result, place)))
            self._bind(output["as_tensor"]["name"], {"value": len(self.nodes)}, None)

    def _bind(self, name: str, value: Any, viewed: str | None) -> None:
        self.values[name] = value
        self.roots[name] = name if viewed is None else self.roots.get(viewed, viewed)

    def _overwrite(self, name: str, result: Any) -> None:
        """An operator in place: the name means the result from here on, and views of the same memory mean nothing."""
        root = self.roots.get(name, name)
        for other in [other for other, known in self.roots.items() if known == root and other != name]:
            self.values.pop(other, None)
        self.overwritten.add(root)
        self.values[name] = result

    def _argument(self, argument: Mapping[str, Any]) -> Any:
        ((kind, value),) = argument.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self._known(value["name"])
        if kind == "as_tensors":
            return [self._known(part["name"]) for part in value]
        if kind == "as_optional_tensors":
            return [self._argument(part) for part in value]
        if kind in ("as_sym_int", "as_optional_tensor"):
            return self._symbol(value) if kind == "as_sym_int" else self._argument(value)
        if kind == "as_sym_ints":
            return [self._symbol(part) for part in value]
        if kind == "as_scalar_type":
            if value not in _DTYPES:
                raise ModelError(f"{self.where}: a value of a type that is not accepted ({value})")
            return {"dtype": str(_DTYPES[value]).removeprefix("torch.")}
        if kind in ("as_memory_format", "as_device", "as_layout"):
            return None
        if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"):
            return list(value) if isinstance(value, list) else value
        raise ModelError(f"{self.where}: an argument of kind {kind!r} is not accepted")

    def _symbol(self, value: Mapping[str, Any]) -> Any:
        return self._known(value["as_name"]) if "as_name" in value else int(value["as_int"])

    def _known(self, name: str) -> Any:
        if name not in self.values:
            raise ModelError(f"{self.where}: {name!r} is not computed, or has been overwritten in place")
        return self.values[name]

    def _for_any_batch(self, arguments: list[Any]) -> list[Any]:
        """Sizes that begin with the number of images of a program that was exported for one number of them."""
        sizes = arguments[1] if len(arguments) > 1 else None
        if self.batch is None or not isinstance(sizes, list) or not sizes or sizes[0] != self.batch:
            return arguments
        return [arguments[0], [{"images": 1}, *sizes[1:]], *arguments[2:]]

    def _rank(self, node: Mapping[str, Any]) -> int:
        name = node["inputs"][0]["arg"]["as_tensor"]["name"]
        return len(self.graph["tensor_values"][name]["sizes"])


def _functional(name: str) -> str:
    """The operator that computes the same without writing over its input."""
    packet, dot, overload = name.partition(".")
    if packet.endswith("_") and not packet.endswith("__") and packet != "detach_":
        return f"{packet.removesuffix('_')}{dot}{overload}"
    return name
