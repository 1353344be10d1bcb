"""`--data` on the command line: a kind of data set, or where images lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from brinell.core import ConfigurationError, choices

if TYPE_CHECKING:
    from brinell.data import Dataset

Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="KIND|FOLDER",
        help="Data set (brinell list datasets), or a folder of images, a .csv file or an .npz file.",
    ),
]

_FILES: Final = {".csv": ("images", "csv"), ".npz": ("arrays", "root"), ".safetensors": ("arrays", "root")}


def read_data(text: str) -> dict[str, Any]:
    """The mapping that a study's section `data` would hold.

    Raises:
        ConfigurationError: it is no kind of data set, no folder and no file that one is read from.
    """
    from brinell.data import DATASETS

    path = Path(text)
    if text in DATASETS:
        return {"kind": text}
    if path.is_dir():
        return {"kind": "images", "root": text}
    if path.is_file() and path.suffix in _FILES:
        kind, field = _FILES[path.suffix]
        return {"kind": kind, field: text}
    raise ConfigurationError(
        f"--data: no folder at {text}, and no data set of that kind; {choices(text, list(DATASETS))}"
    )


def load_data(
    settings: Mapping[str, Any], split: str, examples: int | None = None, shape: tuple[int, int, int] | None = None
) -> Dataset:
    """One split, or the first `examples` of its seeded order.

    Images that are resized anyway get the `shape` that a network declares, unless `settings` say another.
    """
    from brinell.data import DATASETS

    found = DATASETS.parse(with_shape(settings, shape), "data").load(split)
    return found if examples is None else found.take(min(examples, len(found)))


def with_shape(settings: Mapping[str, Any], shape: tuple[int, int, int] | None) -> dict[str, Any]:
    """The settings of a data set whose images have `shape`, where it resizes them and says no other size."""
    from brinell.data import DATASETS

    fields = DATASETS.member(settings.get("kind"), "data").model_fields
    declared = {} if shape is None else {"size": list(shape[1:]), "channels": shape[0]}
    resizes = "size" in fields and "channels" in fields
    return {**(declared if resizes else {}), **settings}
