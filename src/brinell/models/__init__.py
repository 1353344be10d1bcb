"""Architectures, one file each; the normalisation lives inside the model, so that attacks see images in [0, 1]."""

from pathlib import Path
from typing import Any, cast

from torch import nn

from brinell.core import Registry
from brinell.models.alexnet import AlexNet
from brinell.models.architecture import Architecture
from brinell.models.cifar_alexnet import CifarAlexNet
from brinell.models.cifar_mobilenet import CifarMobileNet
from brinell.models.cifar_resnet import ResNet8, ResNet20, ResNet32, ResNet44, ResNet56, ResNet110
from brinell.models.cifar_squeezenet import CifarSqueezeNet
from brinell.models.graph import GraphArchitecture, build_graph
from brinell.models.imagenet_resnet import ResNet18, ResNet50
from brinell.models.inception import InceptionV3
from brinell.models.missing_normalization import best_normalization, suggest_normalization
from brinell.models.mobilenet import MobileNetV1
from brinell.models.normalized import Normalized
from brinell.models.sources.capture import capture_graph
from brinell.models.sources.custom import CustomNetwork
from brinell.models.sources.exported import ExportedNetwork
from brinell.models.sources.load_source import load_source
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.models.sources.onnx import OnnxFile
from brinell.models.sources.timm_network import TimmNetwork
from brinell.models.sources.torchvision_network import TorchvisionNetwork
from brinell.models.squeezenet import SqueezeNet10
from brinell.models.squeezenet1_1 import SqueezeNet11
from brinell.models.weights import load_weights

MODELS: Registry[Architecture] = Registry(
    "model",
    ResNet8,
    ResNet20,
    ResNet32,
    ResNet44,
    ResNet56,
    ResNet110,
    SqueezeNet10,
    SqueezeNet11,
    CifarAlexNet,
    CifarSqueezeNet,
    CifarMobileNet,
    ResNet18,
    ResNet50,
    MobileNetV1,
    AlexNet,
    InceptionV3,
    group="brinell.models",
)

ARCHITECTURES: Registry[Architecture] = Registry("architecture", GraphArchitecture, extends=MODELS)
"""`MODELS`, and the graphs that files of other networks hold."""

NETWORK_SOURCES: Registry[NetworkSource] = Registry(
    "network source", CustomNetwork, ExportedNetwork, OnnxFile, TimmNetwork, TorchvisionNetwork
)
"""Networks that are not built in."""

NETWORKS: Registry[Any] = Registry(
    "model", *(NETWORK_SOURCES[kind] for kind in NETWORK_SOURCES), extends=cast("Registry[Any]", MODELS)
)
"""Everything that a study may name as a model."""


def build(kind: str, weights: str | Path | None = None, **fields: object) -> nn.Module:
    """Build a network in evaluation mode, from images in [0, 1] to logits.

    Args:
        kind: Name of an architecture, as in `MODELS`.
        weights: Checkpoint of PyTorch (`.th`, `.pt`, `.pth`; read with `weights_only=True`) or `.safetensors` file;
            by default the weights are random.
        fields: Settings of the architecture, such as `classes` and `in_channels`.

    Returns:
        The network, its normalisation included.

    Raises:
        ConfigurationError: Unknown kind or setting.
        ModelError: The weights are missing, unreadable, or of another architecture.

    Examples:
        >>> import brinell, torch
        >>> model = brinell.models.build("resnet20", width=4)
        >>> model(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    model = MODELS[kind].parse(fields, kind).module()
    if weights is not None:
        load_weights(model, Path(weights))
    return model.eval()


__all__ = [
    "ARCHITECTURES",
    "MODELS",
    "NETWORKS",
    "NETWORK_SOURCES",
    "AlexNet",
    "Architecture",
    "CifarAlexNet",
    "CifarMobileNet",
    "CifarSqueezeNet",
    "CustomNetwork",
    "ExportedNetwork",
    "GraphArchitecture",
    "InceptionV3",
    "LoadedNetwork",
    "MobileNetV1",
    "NetworkSource",
    "Normalized",
    "OnnxFile",
    "ResNet8",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet44",
    "ResNet50",
    "ResNet56",
    "ResNet110",
    "SqueezeNet10",
    "SqueezeNet11",
    "TimmNetwork",
    "TorchvisionNetwork",
    "best_normalization",
    "build",
    "build_graph",
    "capture_graph",
    "load_source",
    "load_weights",
    "suggest_normalization",
]
