"""What a run says of its tasks beside their results: which failed, and how far those are that go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from brinell.core import BrinellError, StoreError, read_regular_file
from brinell.store.integrity import MOST_FILE_BYTES, parse_object, read_object
from brinell.store.layout import temporary_name
from brinell.store.safe_paths import walk_known_entries


@dataclass(frozen=True)
class Failure:
    """A task that failed, as `failures/<task>.json` keeps it; `unsupported` ones are never retried."""

    task: str
    label: str
    message: str
    traceback: str
    unsupported: bool


@dataclass(frozen=True)
class Running:
    """A task that a worker is busy with: how far it is, and when it last said so (seconds since the epoch)."""

    task: str
    label: str
    done: float
    total: float
    started: float
    updated: float


def failures(root: Path) -> dict[str, Failure]:
    """Failures of the run at `root`, by task. A damaged record, or one of another version, still names its task.

    Raises:
        StoreError: the folder cannot be read, or a link stands in it.
    """
    found = {}
    for path in _records(root, "failures"):
        try:
            record = read_object(root, "failures", path.name)
            wrong = _misfits(record, Failure, path.stem)
        except BrinellError as error:
            if not path.exists():
                continue  # it was cleared while we look
            record, wrong = {}, [str(error)]
        if wrong:
            told = record.get("message") if isinstance(record.get("message"), str) else "it is not known why"
            failure = Failure(path.stem, path.stem, f"{told} (its record is damaged: {wrong[0]})", "", False)
        else:
            failure = _made(record, Failure)
        found[failure.task] = failure
    return found


def running(root: Path) -> dict[str, Running]:
    """Tasks at work in the run at `root`, by task. A record that is being replaced, or is damaged, is passed over."""
    found = {}
    for path in _records(root, "scratch", "running"):
        try:
            record = read_json(path)
        except BrinellError:
            continue
        if not _misfits(record, Running, path.stem):
            task = _made(record, Running)
            found[task.task] = task
    return found


def _records(root: Path, *folder: str) -> list[Path]:
    found = (Path(entry.path) for entry in walk_known_entries(root, *folder) if not entry.temporary)
    return [path for path in found if path.suffix == ".json"]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        StoreError: the file is missing or not a JSON object.
    """
    try:
        data = read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return parse_object(data, path)


def _misfits(record: Mapping[str, Any], kind: type[Any], task: str) -> list[str]:
    """What of the record is not as `kind` has it; what it holds beside that, a later version may have added."""
    wanted: dict[str, tuple[type, ...]] = {"str": (str,), "float": (int, float), "bool": (bool,)}
    wrong = [
        f"no {field.name}" if field.name not in record else f"{field.name} is {record[field.name]!r:.40}"
        for field in fields(kind)
        if not isinstance(record.get(field.name), wanted[str(field.type)])
    ]
    if not wrong and record["task"] != task:  # a name that becomes a path is the file's own
        wrong = [f"task is {record['task']!r:.40}"]
    return wrong


def _made(record: Mapping[str, Any], kind: type[Any]) -> Any:
    return kind(**{field.name: record[field.name] for field in fields(kind)})


def write_time_remaining(path: Path, seconds: float, now: float) -> None:
    """Write the seconds that are left, as of `now`; silent when the disk is full."""
    _write_silently(path, {"seconds": seconds, "said": now})


def time_remaining(path: Path) -> tuple[float, float] | None:
    """What `write_time_remaining` wrote; `None` where it wrote nothing, or that is damaged."""
    try:
        record = read_json(path)
        return float(record["seconds"]), float(record["said"])
    except (BrinellError, KeyError, TypeError, ValueError):
        return None


def write_running(path: Path, running: Running) -> None:
    """Write how far a task is; silent when the disk is full."""
    _write_silently(path, asdict(running))


def remove_record(path: Path) -> None:
    """Remove what one of these functions wrote; silent where it cannot be removed, for the next run does."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _write_silently(path: Path, record: Mapping[str, Any]) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(temporary_name(path.name))
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        temporary.replace(path)
