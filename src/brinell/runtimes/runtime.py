"""What every runtime is: a value that says which networks it can run, and makes the module that runs them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar

from torch import nn

from brinell.core import ConfigurationError, Spec, UnsupportedError


class Runtime(Spec):
    """A way to compute the logits of a deployed network; no network and no session inside."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed."""
    extra: ClassVar[str] = ""
    """The extra of `brinell` that installs them."""
    stable: ClassVar[bool] = True
    """Whether it is the same on every machine, so that rows and keys can name it."""

    def deploy(self, module: nn.Module, input_shape: Sequence[int]) -> nn.Module:
        """The network as this runtime computes it.

        Args:
            module: the deployed network in evaluation mode, from images `(N, C, H, W)` in [0, 1] to logits.
            input_shape: (channels, height, width) of its images.

        Returns:
            A module without gradients and parameters that computes the same logits up to float rounding. It is compiled
            in this process and holds what cannot be stored or sent to another.

        Raises:
            ConfigurationError: the runtime is not installed.
            UnsupportedError: it cannot run this network, or computes other logits than PyTorch.
        """
        self.check_installed()
        reason = self.obstacle(module)
        if reason is not None:
            raise UnsupportedError(f"runtime: {self.kind} cannot run this network: {reason}")
        return self.compile(module, tuple(input_shape))

    def check_installed(self) -> None:
        """Raise a `ConfigurationError` with the command that installs what is missing."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise ConfigurationError(
                f"runtime: {self.kind!r} needs {missing[0]!r}, which is not installed: "
                f"pip install 'brinell[{self.extra}]'"
            )

    def obstacle(self, module: nn.Module) -> str | None:
        """Why this network cannot be run here; `None` where it can."""
        return None

    @abstractmethod
    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """See `deploy`, which checks what can be checked beforehand."""
