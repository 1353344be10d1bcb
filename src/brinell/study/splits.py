"""The data splits of a study, read when they are first needed: making variants never reads the test split."""

from __future__ import annotations

from functools import cached_property

from brinell.core import BrinellError, ConfigurationError
from brinell.data import Dataset
from brinell.study.config import Data


class Splits:
    """The training split, and the judged part of the test split in its seeded order."""

    def __init__(self, data: Data) -> None:
        self._data = data

    @cached_property
    def train(self) -> Dataset:
        """All of the training split, or the part of it that the study trains on."""
        settings = self._data.train
        everything = _load(self._data, settings.split, "data.train")
        if settings.examples is None:
            return everything
        if settings.examples > len(everything):
            raise ConfigurationError(
                f"data.train.examples: {settings.examples} asked for; {everything.name}/{settings.split} has 1 to "
                f"{len(everything)}"
            )
        return everything.part(settings.examples, settings.seed)

    @cached_property
    def test(self) -> Dataset:
        """The examples to judge on, so that a larger number of them begins with every smaller one."""
        settings = self._data.test
        everything = _load(self._data, settings.split, "data.test")
        count = len(everything) if settings.examples is None else settings.examples
        if count > len(everything):
            raise ConfigurationError(
                f"data.test.examples: {count} asked for; {everything.name}/{settings.split} has 1 to {len(everything)}"
            )
        return everything.take(count, settings.seed)


def _load(data: Data, split: str, where: str) -> Dataset:
    try:
        return data.source.load(split)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}.{error}") from None
    except BrinellError as error:
        message = str(error)
        raise type(error)(message if message.startswith("data.") else f"{where}: {message}") from error
