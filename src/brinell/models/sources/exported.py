"""Networks from `.pt2` files of `torch.export.save`."""

from __future__ import annotations

from pathlib import Path

from brinell.core import ModelError
from brinell.models.graph import build_graph
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.nn.graph import read_exported


class ExportedNetwork(NetworkSource):
    """An exported program, read without running anybody's code: PyTorch's own loader unpickles, this one does not.

    Export it in evaluation mode: `torch.export.save(torch.export.export(model.eval(), (images,)), "model.pt2")`. The
    number of images may be dynamic or fixed. It trains, is attacked and is compressed as any network.

    In a study: `{kind: exported, file: resnet4b.pt2}`.

    Examples:
        >>> import pathlib, tempfile, torch
        >>> module = build("resnet8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.pt2")
        ...     torch.export.save(torch.export.export(module, (torch.rand(2, 1, 8, 8),)), file)
        ...     network = ExportedNetwork(file=file).load()
        >>> network.input_shape, network.classes
        ((1, 8, 8), 10)
    """

    kind = "exported"
    brings_weights = True

    file: Path
    """The `.pt2` file."""

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network, of images of the shape that it was exported with."""
        if not self.file.is_file():
            raise ModelError(f"file: no file at {self.file}")
        graph, tensors = read_exported(self.file)
        check_shape(self.file, graph.input_shape, input_shape)
        module = build_graph(graph, tensors, self.mean, self.std)
        return LoadedNetwork(module, graph.input_shape, module.architecture.classes)


def check_shape(file: Path, declared: tuple[int, int, int], wanted: tuple[int, int, int] | None) -> None:
    """Refuse images of another shape than a file declares.

    Raises:
        ModelError: both shapes.
    """
    if wanted not in (None, declared):
        raise ModelError(f"{file}: takes images {declared}, not {wanted}; set the data's size and channels")
