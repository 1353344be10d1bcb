"""What a run was computed with: versions, commit, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

_VNNI: Final = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
"""Linux's names of the instructions."""

_PACKAGES: Final = ("brinell", "torch", "numpy", "polars", "lightning-fabric", "safetensors", "scikit-learn")


def environment(**settings: Any) -> dict[str, Any]:
    """JSON-able facts, with `settings` of this run; what cannot be found out is `None`."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "commit": _commit(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": cores(),
            "vnni": _vnni(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        **settings,
    }


def machine() -> str:
    """What this machine is, in words: the key of what is measured on it."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return ", ".join([_processor() or platform.machine(), f"{cores()} cores", *([gpu] if gpu else [])])


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout that this package lies in."""
    source = Path(__file__).parents[3]
    if not (source / ".git").exists():
        return None
    command = ["git", "-C", str(source), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str | None:
    facts = _cpuinfo()
    return facts.get("model name") if facts else platform.processor() or None


def _vnni() -> bool | None:
    """Whether the processor sums products of 8-bit integers without saturation; `None` where that is not known."""
    flags = _cpuinfo().get("flags")  # of x86 alone; others' products do not saturate, or are not known
    return None if flags is None else any(flag in _VNNI for flag in flags.split())


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in reversed(lines) if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
