"""Errors a user can mend. The command line prints them without a traceback; `--debug` shows it."""

from __future__ import annotations

import importlib
from types import ModuleType


class BrinellError(Exception):
    """A problem the user can mend: the message names the place, the value and what would be accepted."""


class ConfigurationError(BrinellError):
    """A study, a spec or an argument holds something that is not accepted."""


class DataError(BrinellError):
    """Images or labels are missing, of the wrong shape, or out of range."""


class ModelError(BrinellError):
    """A model or its weights do not fit what was asked of them."""


class DivergenceError(ModelError):
    """Training left the numbers: the loss is no longer finite."""


class StoreError(BrinellError):
    """A file or a run folder cannot be read, written or trusted."""


class UnsupportedError(BrinellError):
    """The combination makes no sense (a gradient attack on a variant without gradients) and is never retried."""


def require(module: str, *, extra: str, setting: str = "") -> ModuleType:
    """Import an optional dependency, or say which extra installs it, and which `setting` it is that needs it.

    Args:
        module: The name that it is imported by.
        extra: Of this project, as in `pip install 'brinell[extra]'`.
        setting: What the user set that needs it, for the message.

    Returns:
        The module.

    Raises:
        ConfigurationError: `module` is not installed.

    Examples:
        >>> require("json", extra="all").loads("1")
        1
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        place = f"{setting}: " if setting else ""
        message = f"{place}{module!r} is needed here and is not installed: pip install 'brinell[{extra}]'"
        raise ConfigurationError(message) from error
