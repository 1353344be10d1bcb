"""What a forward pass takes in each runtime, against PyTorch float32 in its better layout and OpenVINO float32.

    python benchmarks/runtime.py [--threads 1] [--clock cpu] [--only NAME...]

Networks have random weights. Runs alternate between the runtimes; the fastest of each counts. On a busy machine
`--clock cpu` counts the process' own seconds instead, which tells one thread's ratios.
"""

from __future__ import annotations

import argparse
import copy
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import GenAttack, LocalSearch
from brinell.nn import ABCConv2d, BinaryConv2d, fold_batch_norms
from brinell.nn.onnx_graph import OnnxNetwork, quantize, to_onnx
from brinell.runtimes import RUNTIMES
from brinell.variants import ABCLayers, BinaryLayers, PrunedChannels, Variant, Width

SHAPES = {"resnet20": (3, 32, 32), "resnet18": (3, 224, 224), "resnet50": (3, 224, 224), "mobilenet_v1": (3, 224, 224)}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@cache
def network(kind: str, change: str = "float") -> nn.Module:
    """A deployed network of random weights; `change` is float, xnor, abc3, abc5, int8, half or sparse."""
    torch.manual_seed(0)
    module = brinell.models.build(kind)
    varied(module)
    layers = tuple(
        name for name, part in module.named_modules() if isinstance(part, nn.Conv2d) and "downsample" not in name
    )[1:]
    if change == "xnor":
        BinaryLayers(layers=layers).apply(module, latent=False)
    if change.startswith("abc"):
        bases = int(change[3:])
        ABCLayers(layers=layers, weight_bases=bases, activation_bases=bases, scales="filter").apply(
            module, latent=False
        )
    if change == "half":
        PrunedChannels(widths=tuple(narrower(module))).apply(module, latent=False)
    if change == "sparse":
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.data[torch.rand_like(part.weight) < 0.95] = 0
    varied(module)
    module.eval().requires_grad_(False)
    if change == "int8":
        graph = to_onnx(module, SHAPES[kind])
        images = torch.rand(16, *SHAPES[kind])
        return OnnxNetwork.of(quantize(graph, images, calibration="minmax", per_channel=True)).eval()
    return module


def varied(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
        if isinstance(part, BinaryConv2d):
            part.weight.copy_(torch.randn_like(part.weight).sign())
            part.scale.uniform_(0.01, 0.1)
        if isinstance(part, ABCConv2d):
            part.bits.copy_(torch.randn_like(part.bits).sign())
            part.alphas.uniform_(0.01, 0.05)


def narrower(module: nn.Module, share: float = 0.7) -> Iterator[Width]:
    """70 % of all channels but the images' and the classes': about half of the multiply-accumulates."""
    first = True
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            inputs = part.in_channels if first else round(share * part.in_channels)
            yield Width(name, inputs, round(share * part.out_channels))
            first = False
        if isinstance(part, nn.BatchNorm2d):
            yield Width(name, round(share * part.num_features), round(share * part.num_features))
        if isinstance(part, nn.Linear):
            yield Width(name, round(share * part.in_features), part.out_features)


def torch_layouts(module: nn.Module) -> list[Callable[[Tensor], Tensor]]:
    """PyTorch with folded batch norms, in both layouts."""
    folded = fold_batch_norms(module)
    last = copy.deepcopy(folded).to(memory_format=torch.channels_last)
    return [folded, lambda images: last(images.contiguous(memory_format=torch.channels_last))]


def fastest(runs: dict[str, list[Callable[[], object]]], clock: Callable[[], float], rounds: int) -> dict[str, float]:
    """Milliseconds of the fastest run of each, by turns, after one that warms up."""
    times: dict[str, float] = {}
    for turn in range(rounds + 1):
        for name, ways in runs.items():
            for run in ways:
                start = clock()
                run()
                taken = 1e3 * (clock() - start)
                if turn:
                    times[name] = min(times.get(name, taken), taken)
    return times


ROWS: dict[str, tuple[str, str, int, str, str]] = {
    "float ResNet-20, batch 1": ("resnet20", "float", 1, "openvino", "P 3x"),
    "float ResNet-20, batch 64": ("resnet20", "float", 64, "openvino", "P 1.3x"),
    "float ResNet-18, batch 1": ("resnet18", "float", 1, "openvino", "P 3x"),
    "XNOR ResNet-18, batch 1": ("resnet18", "xnor", 1, "openvino", "P 10x, O 6.5x"),
    "XNOR ResNet-20, batch 1": ("resnet20", "xnor", 1, "openvino", "P 12x, O 3x"),
    "XNOR ResNet-20, batch 64": ("resnet20", "xnor", 64, "openvino", "P 4.5x, O 3.5x"),
    "ABC 3x3 ResNet-18, batch 1": ("resnet18", "abc3", 1, "openvino", "O 1.5x"),
    "ABC 3x3 ResNet-20, batch 64": ("resnet20", "abc3", 64, "openvino", "-"),
    "ABC 5x5 ResNet-20, batch 64": ("resnet20", "abc5", 64, "openvino", "-"),
    "int8 ResNet-50, batch 1": ("resnet50", "int8", 1, "openvino", "O 2x"),
    "int8 MobileNet v1, batch 1": ("mobilenet_v1", "int8", 1, "openvino", "O 2x"),
    "half of the channels, ResNet-18, batch 1": ("resnet18", "half", 1, "openvino", "O 1.6x"),
    "95 % sparse ResNet-18, batch 1": ("resnet18", "sparse", 1, "sparse", "P 1.5x"),
}


def row(name: str, clock: Callable[[], float], rounds: int) -> str:
    kind, change, batch, runtime, wanted = ROWS[name]
    images = torch.rand(batch, *SHAPES[kind])
    start = clock()
    compiled = RUNTIMES.parse(runtime).deploy(network(kind, change), SHAPES[kind])
    compiled(images)
    first = clock() - start
    float_openvino = RUNTIMES.parse("openvino").deploy(network(kind), SHAPES[kind])
    ways: dict[str, list[Callable[[], object]]] = {
        "torch": [lambda run=run: run(images) for run in torch_layouts(network(kind))],
        "openvino float": [lambda: float_openvino(images)],
        runtime: [lambda: compiled(images)],
        "reference": [lambda: network(kind, change)(images)],
    }
    with torch.inference_mode():
        ms = fastest(ways, clock, rounds)
    ratios = f"P {ms['torch'] / ms[runtime]:.2f}x, O {ms['openvino float'] / ms[runtime]:.2f}x"
    times = ", ".join(f"{way} {taken:.2f}" for way, taken in ms.items())
    return f"| {name} | {wanted} | {ratios} | {times} | {first:.1f} s |"


def attacks(clock: Callable[[], float]) -> Iterator[str]:
    """Attacks through scores on an XNOR ResNet-20, judged by both runtimes."""
    module = network("resnet20", "xnor")
    variant = Variant(module.state_dict(), SHAPES["resnet20"], 10, skeleton=module)
    images = torch.rand(8, *SHAPES["resnet20"])
    labels = module(images).argmax(1)
    compiled, seconds = variant.deployed("openvino"), {}
    for attack in (GenAttack(epsilon=0.05, max_queries=300), LocalSearch(max_queries=300)):
        for runtime in ("reference", "openvino"):
            start = clock()
            outcome = brinell.attack(variant, images, labels, attack, runtime=runtime)
            seconds[runtime] = clock() - start
            equal = bool((compiled(outcome.adversarials).argmax(1) == module(outcome.adversarials).argmax(1)).all())
        ratio, taken = seconds["reference"] / seconds["openvino"], {name: round(s, 2) for name, s in seconds.items()}
        yield f"| {attack.kind} on XNOR ResNet-20 | 3x | {ratio:.2f}x, judged equal: {equal} | {taken} s | |"


MEMORY = """
import resource, sys, torch
sys.path.insert(0, {folder!r})
import gc, openvino, runtime
def now():
    gc.collect()
    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()
runtime.RUNTIMES.parse('openvino').deploy(runtime.network('resnet20'), (3, 32, 32))(torch.rand(1, 3, 32, 32))
before = now()
module = runtime.network('resnet18', {change!r})
loaded = runtime.RUNTIMES.parse('openvino').deploy(module, (3, 224, 224))
loaded(torch.rand(1, 3, 224, 224))
runtime.network.cache_clear()
del module
import ctypes; ctypes.CDLL('libc.so.6').malloc_trim(0)
print(now() - before)
"""


def memory() -> str:
    """What a process grows by when it holds a compiled ResNet-18, float or XNOR; on Linux."""
    grown = {}
    for change in ("float", "xnor"):
        code = MEMORY.format(folder=str(__file__).rpartition("/")[0], change=change)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        grown[change] = int(done.stdout.split()[-1]) / 1e6
    ratio = grown["float"] / grown["xnor"]
    return f"| memory of a loaded XNOR ResNet-18 | 1/5 | 1/{ratio:.1f} of float | {grown} MB | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--only", nargs="*", default=[*ROWS, "attacks", "memory"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = CLOCKS[options.clock]
    print(f"{options.threads} threads, {options.clock} clock, {torch.backends.cpu.get_cpu_capability()}")
    print("| what | wanted | measured | milliseconds a batch | load and first call |\n|---|---|---|---|---|")
    for name in options.only:
        if name in ROWS:
            print(row(name, clock, options.rounds), flush=True)
    if "attacks" in options.only:
        for line in attacks(clock):
            print(line, flush=True)
    if "memory" in options.only:
        print(memory(), flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
