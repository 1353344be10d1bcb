"""YAML as people write it: read safely, without duplicate keys, changed by `--set`, every complaint with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from brinell.core import ConfigurationError
from brinell.core.spec import choices

LIBRARY: Final = Path(__file__).parent / "library"
"""Folder of the studies that ship."""

_NAMED: Final = ("models", "variants", "attacks")
"""Sections whose keys are the user's own names."""


def shipped() -> list[str]:
    """Names of the studies that ship."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def find(study: str | Path) -> Path:
    """The file of a study, given by its path or by the name of one that ships.

    Raises:
        ConfigurationError: there is no such file and no such name.
    """
    path = Path(study)
    if path.is_file():
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        raise ConfigurationError(f"no study at {path}; give a YAML file, or a name: {', '.join(shipped())}")
    if str(study) in shipped():
        return LIBRARY / f"{study}.yaml"
    raise ConfigurationError(f"unknown study {str(study)!r} (and no such file); {choices(str(study), shipped())}")


def parse(text: str, where: str = "") -> Any:
    """The value of a YAML document; `where` names it in errors.

    Raises:
        ConfigurationError: not YAML, a key stands twice or is no string, or a value contains itself.
    """
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
        if document is not None:
            _check(document, where, ())
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ConfigurationError(f"{where}: {place}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: not valid YAML: {error}") from None


def _check(node: yaml.Node, where: str, path: tuple[str, ...], above: tuple[yaml.Node, ...] = ()) -> None:
    if node in above:
        raise ConfigurationError(f"{where}: {'.'.join(path)}: the value contains itself")
    above = (*above, node)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _check(item, where, (*path, str(index)), above)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for name, value in node.value:
            place, line = ".".join((*path, str(name.value))), name.start_mark.line + 1
            if name.tag == "tag:yaml.org,2002:merge":
                continue
            if name.tag != "tag:yaml.org,2002:str":
                raise ConfigurationError(
                    f"{where}: {place} (line {line}): a key must be a word; put it in quotes: '{name.value}'"
                )
            if name.value in lines:
                raise ConfigurationError(
                    f"{where}: {place}: the key stands twice, on lines {lines[name.value]} and {line}"
                )
            lines[name.value] = line
            _check(value, where, (*path, name.value), above)


def override(config: Any, settings: Iterable[str]) -> dict[str, Any]:
    """A copy of `config` with each `dotted.path=value` set; the value is YAML.

    Keys that the study leaves to their defaults may be set too; whether they exist is checked with the rest of the
    study. The names of models, variants and attacks must exist.

    Raises:
        ConfigurationError: no `=`, a name that does not exist, or a path into something that has no keys.
    """
    result: dict[str, Any] = _copy(config) if isinstance(config, Mapping) else {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            raise ConfigurationError(f"--set {setting}: expected PATH=VALUE, such as attacks.pgd.steps=5")
        _assign(result, parts, parse(value, f"--set {setting}"), setting)
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
    if isinstance(value, Mapping):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def check_keys(config: object, where: str, accepted: Iterable[str]) -> dict[str, Any]:
    """`config` as a mapping whose keys are all `accepted`.

    Raises:
        ConfigurationError: not a mapping, or an unknown key; the message names the likeliest one that was meant.
    """
    known = list(accepted)
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"{where or 'study'}: expected a mapping of {', '.join(known)}, not {config!r}")
    for name in config:
        if name not in known:
            place = f"{where}.{name}" if where else name
            raise ConfigurationError(f"{place}: unknown key; {choices(name, known)}")
    return dict(config)
