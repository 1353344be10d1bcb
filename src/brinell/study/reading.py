"""YAML as people write it: read safely, by YAML 1.2's core schema, without duplicate keys, changed by `--set`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from brinell.core import ConfigurationError, choices, read_regular_file

LIBRARY: Final = Path(__file__).parent / "library"
"""Folder of the studies that ship."""

_NAMED: Final = ("models", "variants", "attacks")
"""Sections whose keys are the user's own names."""
_MOST: Final = 100_000
"""Values that a file may hold, those behind aliases counted wherever they stand."""
_MOST_BYTES: Final = 1 << 20
"""Of a file. The studies that ship have 12 kB at most."""
_DEEPEST: Final = 64
"""Levels of lists and mappings."""
_LONGEST_NUMBER: Final = 64
"""Characters of a number."""


_PREFIX: Final = "tag:yaml.org,2002:"
_CORE: Final = {
    "null": (re.compile(r"|~|null|Null|NULL"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), list("-+0123456789")),
    "float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        list("-+.0123456789"),
    ),
    "merge": (re.compile(r"<<"), ["<"]),
}
"""What plain scalars of each tag look like in YAML 1.2's core schema (section 10.3.2) and with which letters they
begin; `<<` is of YAML 1.1. Anything else is text: `yes`, `010:00`, `1_000`, dates."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: `010` is ten, `1e-3` a number, `yes` a word, and nothing is a date."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Stop where there are too many nodes, or too deep ones, before the rest is read."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > _MOST or self.depth > _DEEPEST:
            what = f"more than {_MOST:,} values" if self.nodes > _MOST else f"nested more than {_DEEPEST} deep"
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, what, mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Decimal, whatever zeros it begins with, unless it begins with `0x` or `0o`."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _letters) in _CORE.items():
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"(?:{_pattern.pattern})$"), _letters)
_Loader.add_constructor(f"{_PREFIX}int", _Loader.construct_yaml_int)


def shipped() -> list[str]:
    """Names of the studies that ship.

    Returns:
        In alphabetical order.

    Examples:
        >>> "quickstart" in shipped()
        True
    """
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def read_text(path: Path) -> str:
    """The text of a study's file.

    Raises:
        ConfigurationError: it is no regular file, too large, or no UTF-8.
    """
    try:
        return read_regular_file(path, _MOST_BYTES).decode()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None


def find(study: str | Path) -> Path:
    """The file of a study, given by its path or by the name of one that ships.

    Raises:
        ConfigurationError: there is no such file and no such name.
    """
    path = Path(study)
    if path.is_file() or (path.exists() and not path.is_dir()):  # pipes and devices are refused when they are read
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise ConfigurationError(f"no study at {path}; give a YAML file, or a name: {', '.join(shipped())}")
    if str(study) in shipped():
        return LIBRARY / f"{study}.yaml"
    raise ConfigurationError(f"unknown study {str(study)!r} (and no such file); {choices(str(study), shipped())}")


def parse_yaml(text: str, where: str = "") -> Any:
    """The value of a YAML document; `where` names it in errors.

    Raises:
        ConfigurationError: not YAML, a key stands twice or is no string, a value is of a type that YAML 1.2's core
            schema does not have, or contains itself or too many others.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where}: not valid YAML: {error}") from None
    try:
        document = loader.get_single_node()
        if document is None:
            return None
        if loader.yaml_version not in (None, (1, 2)):
            raise ConfigurationError(f"{where}: %YAML {'.'.join(map(str, loader.yaml_version))}: accepted: 1.2")
        _check(document, where, (), {})
        return loader.construct_document(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ConfigurationError(f"{where}: {place}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: not valid YAML: {error}") from None
    finally:
        loader.dispose()


def _check(node: yaml.Node, where: str, path: tuple[str, ...], sizes: dict[yaml.Node, int]) -> int:
    """How many values the node holds, aliases followed; each node is visited once. `sizes` is 0 above the node."""
    if node in sizes:
        if not sizes[node]:
            raise ConfigurationError(f"{where}: {'.'.join(path)}: the value contains itself")
        return sizes[node]
    sizes[node] = 0
    size = 1
    _check_tag(node, where, path)
    if isinstance(node, yaml.SequenceNode):
        size += sum(_check(item, where, (*path, str(index)), sizes) for index, item in enumerate(node.value))
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, where, path)
        size += sum(_check(value, where, (*path, str(name.value)), sizes) for name, value in node.value)
    if size > _MOST:
        raise ConfigurationError(
            f"{where}: {'.'.join(path)}: more than {_MOST:,} values, aliases counted as often as they are used"
        )
    sizes[node] = size
    return size


def _check_tag(node: yaml.Node, where: str, path: tuple[str, ...]) -> None:
    """Refuse a type that the core schema does not have, and a value that is none of its type (`!!bool yes`)."""
    tag, place = node.tag.removeprefix(_PREFIX), f"{where}: {'.'.join(path)}"
    kinds: tuple[str, ...] = (*_CORE, "str")
    if not isinstance(node, yaml.ScalarNode):
        kinds = ("seq",) if isinstance(node, yaml.SequenceNode) else ("map",)
    if tag not in kinds:
        raise ConfigurationError(
            f"{place} (line {node.start_mark.line + 1}): not valid YAML: a value of type {node.tag!r:.60} is not "
            f"accepted here; accepted: {', '.join(kind for kind in kinds if kind != 'merge')}"
        )
    if tag in _CORE and not any(
        _CORE[each][0].fullmatch(node.value) for each in (tag, "int" if tag == "float" else tag)
    ):
        raise ConfigurationError(f"{place}: {node.value!r:.60} is no {tag} of YAML 1.2")
    if tag in ("int", "float") and len(node.value) > _LONGEST_NUMBER:
        raise ConfigurationError(f"{place}: a number of {len(node.value):,} characters; at most {_LONGEST_NUMBER}")


def _check_keys(node: yaml.MappingNode, where: str, path: tuple[str, ...]) -> None:
    lines: dict[str, int] = {}
    for name, _ in node.value:
        place, line = ".".join((*path, str(name.value))), name.start_mark.line + 1
        if name.tag == "tag:yaml.org,2002:merge":
            continue
        if name.tag != "tag:yaml.org,2002:str":
            raise ConfigurationError(
                f"{where}: {place} (line {line}): a key must be a word; put it in quotes: '{name.value}'"
            )
        if name.value in lines:
            raise ConfigurationError(f"{where}: {place}: the key stands twice, on lines {lines[name.value]} and {line}")
        lines[name.value] = line


def override(config: Any, settings: Iterable[str]) -> Any:
    """A copy of `config` with each `dotted.path=value` set (or `config`, if none is); the value is YAML.

    Keys that the study leaves to their defaults may be set too; whether they exist is checked with the rest of the
    study. The names of models, variants and attacks must exist.

    Raises:
        ConfigurationError: no `=`, a name that does not exist, or a path into something that has no keys.
    """
    settings = tuple(settings)
    if not settings:
        return config
    result: dict[str, Any] = _copy(config) if isinstance(config, Mapping) else {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            raise ConfigurationError(f"--set {setting}: expected PATH=VALUE, such as attacks.pgd.steps=5")
        _assign(result, parts, parse_yaml(value, f"--set {setting}"), setting)
    return result


def _assign(config: dict[str, Any], parts: list[str], value: Any, setting: str) -> None:
    inside = config
    for depth, part in enumerate(parts[:-1]):
        if depth == 1 and parts[0] in _NAMED and part not in inside:
            raise ConfigurationError(f"--set {setting}: there is no {parts[0]}.{part}; {choices(part, list(inside))}")
        below = inside.setdefault(part, {})
        if below is None:
            below = inside[part] = {}
        if not isinstance(below, dict):
            raise ConfigurationError(
                f"--set {setting}: {'.'.join(parts[: depth + 1])} is {below!r}, which has no keys; set it as a whole"
            )
        inside = below
    inside[parts[-1]] = value


def _copy(value: Any) -> Any:
    """Aliases become copies of their own, so that setting one of them leaves the others as they are."""
    if isinstance(value, Mapping):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
