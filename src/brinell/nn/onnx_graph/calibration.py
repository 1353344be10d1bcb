"""Ranges of activations for ONNX Runtime's static quantisation, from any number of images in bounded memory.

ONNX Runtime keeps the outputs of all layers for all images before it counts them, and joins batches of one size only.
Here each batch is counted and forgotten, in two passes: the first finds the ends of each histogram, the second fills
it. The histograms are those that ONNX Runtime counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brinell.core import require

Calibration = Literal["minmax", "percentile", "entropy"]
"""How ranges follow from what was seen."""

_BATCH: Final = 64
_NUMBERS: Final = 1 << 20
"""Numbers of the images of one batch, at most: all outputs of all layers are kept for that long."""

Array = NDArray[Any]


class CalibrationImages:
    """What ONNX Runtime calls a calibration data reader: `images` `(N, C, H, W)`, bytes or floats in [0, 1]."""

    def __init__(self, images: Tensor) -> None:
        self.images, self.size = images, batch_size(images)
        self.rest: Iterator[Tensor] = iter(())
        self.restart()

    def restart(self) -> None:
        """Begin with the first batch again."""
        self.rest = iter(self.images.split(self.size))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch by the graph's input; `None` after the last."""
        batch = next(self.rest, None)
        if batch is None:
            return None
        values = batch.to(torch.float32) / 255 if batch.dtype == torch.uint8 else batch
        return {"images": values.contiguous().numpy()}

    def __iter__(self) -> CalibrationImages:
        return self

    def __next__(self) -> dict[str, Any]:
        batch = self.get_next()
        if batch is None:
            raise StopIteration
        return batch


def batch_size(images: Tensor) -> int:
    """How many images a pass takes: fewer of large ones.

    Args:
        images: `(N, C, H, W)`.

    Returns:
        At least 1.

    Examples:
        >>> import torch
        >>> batch_size(torch.zeros(100, 3, 32, 32)) >= batch_size(torch.zeros(1, 3, 224, 224))
        True
    """
    return max(1, min(_BATCH, _NUMBERS // max(1, math.prod(images.shape[1:]))))


@contextmanager
def counted_batch_by_batch() -> Iterator[None]:
    """Let ONNX Runtime's calibrators by histogram (`percentile`, `entropy`) count as this module does."""
    calibrater: Any = require("onnxruntime.quantization.calibrate", extra="onnx").HistogramCalibrater
    before = calibrater.collect_data
    calibrater.collect_data = _collect
    try:
        yield
    finally:
        calibrater.collect_data = before


@dataclass
class _Ends:
    """The smallest and the largest value of a tensor, and of its magnitudes."""

    low: Any
    high: Any
    least: Any
    most: Any

    @classmethod
    def of(cls, values: Array) -> _Ends:
        if not values.size:
            zero = np.zeros((), values.dtype)[()]
            return cls(zero, zero, zero, zero)
        low, high = np.nanmin(values), np.nanmax(values)
        magnitudes = np.abs(values)
        return cls(low, high, np.nanmin(magnitudes), np.nanmax(magnitudes))

    def with_(self, other: _Ends) -> _Ends:
        least, most = min(self.least, other.least), max(self.most, other.most)
        return _Ends(min(self.low, other.low), max(self.high, other.high), least, most)


def _collect(calibrator: Any, reader: CalibrationImages) -> None:
    """In place of `HistogramCalibrater.collect_data`."""
    tools: Any = require("onnxruntime.quantization.calibrate", extra="onnx")
    collector = tools.HistogramCollector(
        method=calibrator.method,
        symmetric=calibrator.symmetric,
        num_bins=calibrator.num_bins,
        num_quantized_bins=calibrator.num_quantized_bins,
        percentile=calibrator.percentile,
        scenario=calibrator.scenario,
    )
    ends: dict[str, _Ends] = {}
    for name, values in _outputs(calibrator, reader):
        seen = _Ends.of(values)
        ends[name] = seen if name not in ends else ends[name].with_(seen)
    reader.restart()
    magnitudes = calibrator.method == "percentile" and calibrator.symmetric
    for name, values in _outputs(calibrator, reader):
        counted = _magnitudes(values, ends[name], collector) if magnitudes else _values(values, ends[name], collector)
        before = collector.histogram_dict.get(name)
        collector.histogram_dict[name] = counted if before is None else (counted[0] + before[0], *before[1:])
    calibrator.collector = collector


def _outputs(calibrator: Any, reader: CalibrationImages) -> Iterator[tuple[str, Array]]:
    """Every tensor that is calibrated, flat, batch by batch."""
    names = [output.name for output in calibrator.infer_session.get_outputs()]
    while (batch := reader.get_next()) is not None:
        found = calibrator.infer_session.run(None, batch)
        for name, values in zip(names, found, strict=True):
            if name in calibrator.tensors_to_calibrate:
                yield name, values.reshape(-1)


def _magnitudes(values: Array, ends: _Ends, collector: Any) -> tuple[Any, ...]:
    """As ONNX Runtime's `collect_absolute_value`."""
    counts, edges = np.histogram(np.abs(values), bins=collector.num_bins, range=(ends.least, ends.most))
    return counts, edges.astype(values.dtype), ends.low, ends.high


def _values(values: Array, ends: _Ends, collector: Any) -> tuple[Any, ...]:
    """As ONNX Runtime's `collect_value`."""
    threshold = np.array(max(abs(ends.low), abs(ends.high)), dtype=values.dtype)
    counts, edges = np.histogram(values, collector.num_bins, range=(-threshold, threshold))  # type: ignore[arg-type]
    return counts, edges, ends.low, ends.high, threshold
