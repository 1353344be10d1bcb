"""How far can a neural network be compressed before it, or its robustness, breaks?

The public functions `attack`, `compress`, `save`, `load`, `run`, `limit`, `publish`, `archive`, `restore` and
`report`, and the packages (`brinell.models`, `brinell.data`, `brinell.costs`, ...), are imported when they are first
used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinell import (
        analysis,
        attacks,
        compressors,
        container,
        core,
        costs,
        data,
        limits,
        models,
        nn,
        probes,
        reporting,
        runs,
        runtimes,
        store,
        study,
        testing,
        training,
        variants,
    )
    from brinell.attacks import attack
    from brinell.compressors import compress
    from brinell.container import load, save
    from brinell.reporting import write as report
    from brinell.runs import archive, limit, publish, restore, run

_FUNCTIONS: Final = {
    "attack": ("brinell.attacks", "attack"),
    "compress": ("brinell.compressors", "compress"),
    "save": ("brinell.container", "save"),
    "load": ("brinell.container", "load"),
    "run": ("brinell.runs", "run"),
    "limit": ("brinell.runs", "limit"),
    "publish": ("brinell.runs", "publish"),
    "archive": ("brinell.runs", "archive"),
    "restore": ("brinell.runs", "restore"),
    "report": ("brinell.reporting", "write"),
}
_PACKAGES: Final = (
    "analysis",
    "attacks",
    "compressors",
    "container",
    "core",
    "costs",
    "data",
    "limits",
    "models",
    "nn",
    "probes",
    "reporting",
    "runs",
    "runtimes",
    "store",
    "study",
    "testing",
    "training",
    "variants",
)

__all__ = [
    "__version__",
    "analysis",
    "archive",
    "attack",
    "attacks",
    "compress",
    "compressors",
    "container",
    "core",
    "costs",
    "data",
    "limit",
    "limits",
    "load",
    "models",
    "nn",
    "probes",
    "publish",
    "report",
    "reporting",
    "restore",
    "run",
    "runs",
    "runtimes",
    "save",
    "store",
    "study",
    "testing",
    "training",
    "variants",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        package, function = _FUNCTIONS[name]
        return getattr(import_module(package), function)
    if name in _PACKAGES:
        return import_module(f"brinell.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("brinell")
    raise AttributeError(f"module 'brinell' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
