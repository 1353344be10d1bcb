"""How fast and how small: a network of AlexNet's size, pruned and quantised as Algorithm 1 leaves it.

    python benchmarks/encode.py [--density 0.056] [--weight-bits 3] [--efforts default]

61 million weights in AlexNet's shapes (Krizhevsky 2012, torchvision's single tower), of which a share is left as powers
of two. Printed: seconds to pack and to load, the peak of memory over that of the dense network, bytes, and how far they
are from the entropy bound. Each measurement is made in a process of its own. Linux only, for its peak of memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from brinell.container import compare_sizes, read, write
from brinell.variants import Variant

CONVOLUTIONS = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))
LINEAR = ((9216, 4096), (4096, 4096), (4096, 1000))
WANTED = {"pack_s": 20.0, "load_s": 3.0, "peak": 3.0}
"""At `default`."""


def skeleton() -> nn.Module:
    """Layers only; the container never runs a network."""
    with torch.device("meta"):
        layers = [nn.Conv2d(inputs, outputs, kernel) for inputs, outputs, kernel in CONVOLUTIONS]
        return nn.Sequential(*layers, *(nn.Linear(*sides) for sides in LINEAR))


def network(density: float, weight_bits: int, seed: int = 0) -> Variant:
    """Weights drawn as INQ leaves Gaussian ones: the largest `density` of each layer, in its powers of two."""
    draw, module = torch.Generator().manual_seed(seed), skeleton().to_empty(device="cpu").requires_grad_(False)
    for parameter in module.parameters():
        parameter.normal_(0, 0.02, generator=draw)
        if parameter.dim() == 1:
            continue
        flat = parameter.view(-1)
        kept = flat.abs() > 0.02 * 2**0.5 * float(torch.erfinv(torch.tensor(1 - density)))
        top = torch.floor(torch.log2(4 * flat.abs().max() / 3))
        powers = torch.round(torch.log2(flat.abs().clamp_min(1e-9))).clamp(top + 1 - 2 ** (weight_bits - 2), top)
        flat.copy_(torch.where(kept, flat.sign() * torch.exp2(powers), 0.0))
    return Variant(dict(module.state_dict()), (3, 227, 227), 1000, skeleton=skeleton())


def packed(path: Path, density: float, weight_bits: int, effort: str) -> dict[str, float]:
    variant = network(density, weight_bits)
    dense = sum(tensor.nbytes for tensor in variant.tensors.values())
    before, began = _resident(), time.perf_counter()
    size = write(variant, path, effort=effort)
    took, peak = time.perf_counter() - began, (_peak() - before) / dense + 1  # for the network itself
    return {"pack_s": took, "bytes": size, "dense": dense, "peak": peak}


def loaded(path: Path) -> dict[str, float]:
    before, began = _resident(), time.perf_counter()
    variant = read(path, model=skeleton())
    dense = sum(tensor.nbytes for tensor in variant.tensors.values())
    return {"load_s": time.perf_counter() - began, "peak": (_peak() - before) / dense}


def least_bytes(path: Path) -> dict[str, float]:
    return {"entropy_bytes": compare_sizes(read(path, model=skeleton()), path, general_purpose=())["entropy_bytes"]}


def _resident() -> int:
    """Bytes in memory now; the peak begins anew here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def apart(function: object, *arguments: object) -> dict[str, float]:
    """In a process of its own, whose peak of memory is nobody else's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--density", type=float, default=0.056)
    parser.add_argument("--weight-bits", type=int, default=3)
    parser.add_argument("--efforts", nargs="+", default=["fast", "default", "best"])
    asked = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for effort in asked.efforts:
            path = Path(folder) / f"{effort}.brinell"
            found = apart(packed, path, asked.density, asked.weight_bits, effort)
            reading, least = apart(loaded, path), apart(least_bytes, path)["entropy_bytes"]
            packing = f"packed in {found['pack_s']:6.1f} s (peak {found['peak']:.2f} x dense)"
            loading = f"loaded in {reading['load_s']:5.2f} s (peak {reading['peak']:.2f} x dense)"
            size = f"{found['bytes']:,} bytes, {found['dense'] / found['bytes']:.1f} x smaller than dense"
            bound_by = f"{found['bytes'] / least - 1:+.2%} of the entropy bound"
            print(f"{effort:8} {packing}, {loading}: {size}, {bound_by}", flush=True)
            reached = {**found, **reading, "peak": max(found["peak"], reading["peak"])}
            if effort == "default":
                missed = [name for name, limit in WANTED.items() if reached[name] > limit]
    if missed:
        sys.exit(f"wanted at default: {json.dumps(WANTED)}; missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
