"""Networks from `.onnx` files."""

from __future__ import annotations

from pathlib import Path

from brinell.core import ModelError
from brinell.models.graph import build_graph
from brinell.models.sources.exported import check_shape
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.nn.graph import read_onnx


class OnnxFile(NetworkSource):
    """A float classifier in ONNX, read without running anybody's code; needs `brinell[onnx]`.

    It becomes a network of PyTorch's layers, which trains, is attacked and is compressed as any. Tensors in other files
    must lie in the folder of the file, or in one inside it.

    Examples:
        >>> OnnxFile(file="resnet4b.onnx", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)).kind
        'onnx'
    """

    kind = "onnx"
    brings_weights = True

    file: Path
    """The `.onnx` file."""

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network, of images of the shape that the file declares."""
        if not self.file.is_file():
            raise ModelError(f"file: no file at {self.file}")
        graph, tensors = read_onnx(self.file)
        check_shape(self.file, graph.input_shape, input_shape)
        module = build_graph(graph, tensors, self.mean, self.std)
        return LoadedNetwork(module, graph.input_shape, module.architecture.classes)
