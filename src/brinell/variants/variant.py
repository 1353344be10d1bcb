"""`Variant`: a record of tensors and lineage. Modules are built from it where they are run, never stored in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brinell.core import ModelError, html_table
from brinell.models import Architecture
from brinell.nn import copy_module, deploy, freeze, frozen_names, set_requires_grad
from brinell.nn.onnx_graph import OnnxNetwork
from brinell.runtimes import RUNTIMES, Runtime
from brinell.variants.own_weights import check_own_weights
from brinell.variants.structure import rebuild
from brinell.variants.structure_change import StructureChange
from brinell.variants.views import natural_view, set_view, wrap_every_surrogate


@dataclass(frozen=True)
class Step:
    """One thing that was done to a network: the compressor's kind, its settings, the seed, and figures it measured."""

    kind: str
    settings: Mapping[str, Any]
    seed: int
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Variant:
    """A network that ships: `tensors` is the state of its deployed module.

    `architecture` and `structure` rebuild that module from nothing; a user's own module, which no header can rebuild,
    has a `skeleton` instead: an instance whose tensors are overwritten.
    """

    tensors: Mapping[str, Tensor]
    input_shape: tuple[int, int, int]
    classes: int
    architecture: Architecture | None = None
    structure: tuple[StructureChange, ...] = ()
    lineage: tuple[Step, ...] = ()
    latent: Mapping[str, Tensor] | None = None
    """State of the module in training, where it differs from what ships: what a child or a resume continues from."""
    skeleton: nn.Module | None = None
    runtime: str = "reference"
    frozen: tuple[str, ...] = ()
    """Names of parameters that compressors and trainings leave as they are, and of batch norms that keep their
    statistics."""

    def __post_init__(self) -> None:
        RUNTIMES.member(self.runtime, "runtime")

    def __repr__(self) -> str:
        """What it is in one line; tensors are in the attributes."""
        return f"Variant({', '.join(f'{name}: {value}' for name, value in self._figures().items())})"

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        return html_table(self._figures())

    def _figures(self) -> dict[str, str]:
        kind = type(self.skeleton).__name__ if self.architecture is None else type(self.architecture).kind
        return {
            "network": kind,
            "made by": " > ".join(step.kind for step in self.lineage) or "nothing",
            "input": "\u00d7".join(map(str, self.input_shape)),
            "classes": f"{self.classes}",
            "values": f"{sum(tensor.numel() for tensor in self.tensors.values()):,}",
            "runtime": self.runtime,
        }

    @classmethod
    def of(cls, module: nn.Module, *, input_shape: tuple[int, int, int], classes: int) -> Variant:
        """A variant of a module as it is: one that `brinell.models.build` made, or a user's own.

        A user's module becomes the skeleton: it is copied, so that what happens to it later changes nothing here.
        Parameters that require no gradient are `frozen`, unless all of them are; so are the statistics of batch norms
        in evaluation mode where `module` is in training mode.

        Raises:
            ModelError: its weights cannot be stored, or its copy would compute with the weights of `module`.
        """
        _check_storable(module)
        shipped = deploy(module)
        tensors = _state(shipped)
        architecture = getattr(module, "architecture", None)
        if architecture is None:
            _load(shipped, tensors)
            check_own_weights(shipped, module, input_shape)
        return cls(
            tensors=tensors,
            input_shape=input_shape,
            classes=classes,
            architecture=architecture,
            skeleton=None if architecture is not None else shipped,
            frozen=frozen_names(module),
        )

    def deployed(self, runtime: str | Runtime | None = None) -> nn.Module:
        """The module that ships, in evaluation mode with frozen weights.

        Args:
            runtime: what computes it, by name or as a value of `brinell.runtimes`; by default the variant's own, which
                is `reference` where `brinell.load` was not given another.

        Raises:
            ConfigurationError: there is no such runtime, or it is not installed.
            UnsupportedError: it cannot run this network, or computes other logits than the reference.
        """
        chosen = RUNTIMES.parse(runtime, "runtime") if isinstance(runtime, str) else runtime
        module = self._module(latent=False)
        _load(module, self.tensors)
        set_requires_grad(module.eval(), False)
        return (chosen or RUNTIMES.parse(self.runtime)).deploy(module, self.input_shape)

    def view(self, gradient: str | None = None) -> nn.Module:
        """The deployed module with the gradient a white-box attacker looks at (`VIEWS`); its natural one by default."""
        module = self.deployed("reference")
        if isinstance(module, OnnxNetwork):
            module = module.fake_quantized().eval().requires_grad_(False)
        if gradient == "all":
            return wrap_every_surrogate(module)
        set_view(module, gradient or natural_view(module))
        return module

    def trainable(self) -> nn.Module:
        """The module in training, with its latent weights where it has them; what is `frozen` requires no gradient.

        Raises:
            ModelError: what ships is an ONNX graph.
        """
        module = self._module(latent=True)
        if isinstance(module, OnnxNetwork):
            raise ModelError("an int8 network ships as an ONNX graph and is not trained: make it the last step")
        _load(module, self.latent if self.latent is not None else self.tensors)
        set_requires_grad(module, True)
        freeze(module, self.frozen)
        return module

    def child(self, module: nn.Module, step: Step, *, structure: tuple[StructureChange, ...] | None = None) -> Variant:
        """The variant that `module`, trained further from this one, has become. The parent is not changed."""
        shipped = deploy(module)
        tensors, latent = _state(shipped), _state(module)
        return replace(
            self,
            tensors=tensors,
            latent=latent if latent.keys() != tensors.keys() else None,
            structure=self.structure if structure is None else structure,
            lineage=(*self.lineage, step),
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of the deployed module; build it once with `deployed()` to call it often."""
        logits: Tensor = self.deployed()(images)
        return logits

    def _module(self, *, latent: bool) -> nn.Module:
        if self.architecture is not None:
            module: nn.Module = self.architecture.module()
        elif self.skeleton is not None:
            module = copy_module(self.skeleton)
        else:
            raise ModelError("the network is a user's own module; load it with brinell.load(file, model=skeleton)")
        return rebuild(module, self.structure, latent=latent)


def _check_storable(module: nn.Module) -> None:
    """Refuse modules whose layers nobody can look at, and layers that have no shape yet."""
    for name, part in module.named_modules():
        where = f"model.{name}" if name else "model"
        if isinstance(part, torch.jit.ScriptModule):
            raise ModelError(
                f"{where}: scripted and traced modules cannot become variants; give the module it was made of"
            )
    for name, value in module.state_dict().items():
        if not isinstance(value, Tensor) and name.rpartition(".")[2] != "_extra_state":
            raise ModelError(
                f"model: its state has {name}, a {type(value).__name__} and no tensor, as quantised modules do; "
                "give the module of floats, and quantise it with int8"
            )
    for name, parameter in module.named_parameters():
        if is_lazy(parameter):
            raise ModelError(f"model: {name} belongs to a lazy layer without a shape; call the model on an image first")


def _state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the module's tensors; one that has two names there is one tensor here."""
    copies: dict[int, Tensor] = {}
    state = {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    for value in state.values():
        if id(value) not in copies:
            copies[id(value)] = value.detach().cpu().contiguous().clone()
    return {name: copies[id(value)] for name, value in state.items()}


def _load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    extra = {name: value for name, value in module.state_dict().items() if not isinstance(value, Tensor)}
    try:
        module.load_state_dict({**extra, **tensors})
    except (RuntimeError, KeyError, AttributeError, TypeError) as error:  # modules load their own state, in their way
        reason = " ".join(str(error).split())
        raise ModelError(f"the tensors do not fit the model: {reason}") from None
