"""Whether OpenVINO's sums of products of 8-bit integers saturate on this processor."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from brinell.core import require

_CHANNELS: Final = 16
_LARGEST: Final = 127


@cache
def openvino_saturates() -> bool:
    """Compute a convolution of which every product is the largest that there is.

    Without VNNI, OpenVINO adds pairs of products in 16 bits, and such a sum is half of what it should be.

    Raises:
        ConfigurationError: OpenVINO is not installed.
    """
    ov = require("openvino", extra="openvino")
    operations = require("openvino.opset13", extra="openvino")
    images = operations.parameter([1, _CHANNELS, 3, 3], np.float32)
    zero, one = np.float32(0), np.float32(1)
    levels = operations.fake_quantize(images, zero, one, zero, one, 256)
    integers = operations.constant(np.full((_CHANNELS, _CHANNELS, 3, 3), _LARGEST, np.int8))
    weights = operations.multiply(operations.convert(integers, "f32"), np.float32(1 / _LARGEST))
    sums = operations.convolution(levels, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(ov.Model([sums], [images]), "CPU", settings)
    found = compiled(np.ones((1, _CHANNELS, 3, 3), np.float32))[0]
    return bool(np.abs(found / (9 * _CHANNELS) - 1).max() > 0.1)
