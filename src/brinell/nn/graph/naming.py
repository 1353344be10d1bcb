"""Tensors of an imported graph under names that modules can have: what a layer needs is called after one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor, nn

from brinell.nn.graph.module_names import safe_name
from brinell.nn.graph.network_graph import GraphNode, TensorSpec, references
from brinell.nn.graph.node_layers import FEATURE_NORM

_ROLES: Final = {
    "conv2d": ("weight", "bias"),
    "linear": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "running_mean", "running_var"),
    FEATURE_NORM: ("weight", "bias", "running_mean", "running_var"),
}


def name_tensors(
    nodes: Sequence[GraphNode], tensors: Mapping[str, Tensor]
) -> tuple[tuple[GraphNode, ...], dict[str, Tensor]]:
    """The nodes and the tensors that they use, renamed where names do not fit modules.

    A layer whose tensors are called after different layers, as ONNX files may have them, is called after its weight.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for number, node in enumerate(nodes):
        roles = _ROLES.get(node.operator, ())
        given = [_tensor_name(argument) for argument in node.arguments[1 : 1 + len(roles)]]
        if given and given[0] is not None and given[0] not in names:
            path = _layer_path(given, roles, f"{node.operator.partition('.')[0]}_{number}", taken)
            for name, role in zip(given, roles, strict=False):
                if name is not None and name not in names:
                    names[name] = f"{path}.{role}"
            taken.add(path)
    for node in nodes:
        for reference in references([node.arguments, list(node.keywords.values())]):
            if "tensor" in reference and reference["tensor"] not in names:
                names[reference["tensor"]] = _free(safe_name(reference["tensor"]), taken | set(names.values()))
    renamed = tuple(
        GraphNode(node.operator, tuple(_rename(list(node.arguments), names)), _rename(dict(node.keywords), names))
        for node in nodes
    )
    return renamed, {new: tensors[old] for old, new in names.items()}


def tensor_specs(tensors: Mapping[str, Tensor]) -> dict[str, TensorSpec]:
    """Shapes and types; parameters are what trains."""
    return {
        name: TensorSpec(
            tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), isinstance(tensor, nn.Parameter)
        )
        for name, tensor in tensors.items()
    }


def _tensor_name(argument: Any) -> str | None:
    return argument.get("tensor") if isinstance(argument, Mapping) else None


def _layer_path(given: Sequence[str | None], roles: Sequence[str], fallback: str, taken: set[str]) -> str:
    paths = {
        name.rpartition(".")[0] for name, role in zip(given, roles, strict=False) if name and name.endswith(f".{role}")
    }
    fits = len(paths) == 1 and all(
        name is None or name.endswith(f".{role}") for name, role in zip(given, roles, strict=False)
    )
    if fits:
        return _free(safe_name(paths.pop()), taken)
    weight = given[0] or ""
    path = weight.removesuffix(".weight") if weight.endswith(".weight") else fallback
    return _free(safe_name(path), taken)


def _free(name: str, taken: set[str]) -> str:
    """The name, where nothing has it, is in it or has it inside; else one of a single part that is free."""
    if not any(f"{name}.".startswith(f"{other}.") or other.startswith(f"{name}.") for other in taken):
        return name
    base, number = name.replace(".", "_"), 0
    free = base
    while any(free == other or other.startswith(f"{free}.") for other in taken):
        number += 1
        free = f"{base}_{number}"
    return free


def _rename(argument: Any, names: Mapping[str, str]) -> Any:
    if isinstance(argument, Mapping):
        if set(argument) == {"tensor"}:
            return {"tensor": names[argument["tensor"]]}
        return (
            {key: _rename(value, names) for key, value in argument.items()} if argument.keys() - {"value"} else argument
        )
    if isinstance(argument, (list, tuple)):
        return [_rename(part, names) for part in argument]
    return argument
