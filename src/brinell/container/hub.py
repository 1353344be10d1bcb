"""Files of the Hugging Face hub: `hf://USER/REPO[@REVISION]/PATH.brinell` as a local file, taken for a stranger's."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from brinell.core import StoreError, require

HUB_SCHEME: Final = "hf://"
LARGEST_DOWNLOAD: Final = 1 << 31
"""Bytes of a file beyond which nothing is downloaded."""
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ADDRESS: Final = re.compile(
    rf"hf://(?P<repository>{_REPOSITORY.pattern})(@(?P<revision>[\w.-]+))?/(?P<path>[\w. /-]+\.brinell)"
)


@dataclass(frozen=True)
class HubAddress:
    """A file of a repository of the hub."""

    repository: str
    path: str
    revision: str | None = None


def parse_hub_address(text: str) -> HubAddress:
    """Read an address.

    Raises:
        StoreError: it is none of a `.brinell` file.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or ".." in found["path"].split("/") or "//" in found["path"]:
        raise StoreError(f"{text!r} is no address; expected hf://USER/REPO/FILE.brinell or hf://USER/REPO@REVISION/...")
    return HubAddress(found["repository"], found["path"], found["revision"])


def check_repository(name: str) -> str:
    """The name of a repository, `USER/REPO`.

    Raises:
        StoreError: it is none.
    """
    if _REPOSITORY.fullmatch(name) is None:
        raise StoreError(f"{name!r} is no repository; expected USER/REPO")
    return name


def download(text: str, *, largest: int = LARGEST_DOWNLOAD) -> Path:
    """The file at an address, in the hub's cache; it is fetched where that lacks it.

    The size that the hub states is checked before, and that of the file after. The file is read as any other: it may be
    a stranger's.

    Raises:
        ConfigurationError: `brinell[hub]` is not installed.
        StoreError: the address is none, nothing is there, or it is larger than `largest` bytes.
    """
    address, hub = parse_hub_address(text), hub_library()
    where = {"repo_id": address.repository, "filename": address.path, "endpoint": hub_endpoint()}
    try:
        stated = hub.get_hf_file_metadata(hub.hf_hub_url(**where, revision=address.revision))
        if stated.size is None or stated.size > largest:
            size = "of unknown size" if stated.size is None else f"{stated.size:,} bytes large"
            raise StoreError(f"{text} is {size}; at most {largest:,} bytes are downloaded")
        file = Path(hub.hf_hub_download(**where, revision=stated.commit_hash or address.revision))
    except StoreError:
        raise
    except Exception as error:  # HTTP's errors are of another library in each version of the hub's
        raise StoreError(f"cannot download {text}: {first_line(error)}") from error
    if file.stat().st_size != stated.size:
        raise StoreError(f"{text}: {file.stat().st_size:,} bytes came, {stated.size:,} were stated")
    return file


def hub_library() -> Any:
    """The module `huggingface_hub`.

    Raises:
        ConfigurationError: it is not installed.
    """
    return require("huggingface_hub", extra="hub", setting=HUB_SCHEME)


def hub_endpoint() -> str | None:
    """Where the hub is, if the environment says it."""
    return os.environ.get("HF_ENDPOINT") or None


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
