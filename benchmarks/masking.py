"""The masking probe on networks it was not calibrated on: detections among maskers, false alarms among honest ones.

    python benchmarks/masking.py [--seeds 0 1]

Small networks on handwritten digits at 16/255, 150 examples each; every honest one is trained afresh for each seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import brinell
from brinell.probes import masking
from brinell.training import Adversarial, Train, fit

EPSILON = 16 / 255
TRAIN = Train(epochs=12, batch_size=64, learning_rate=0.03, augment="shift")


class Behind(nn.Module):
    """A network behind something that happens to its images, and before something that happens to its logits."""

    def __init__(self, network: nn.Module, before: Callable[[Tensor], Tensor], factor: float = 1.0) -> None:
        super().__init__()
        self.network, self.before, self.factor = network, before, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.before(images)) * self.factor


def small(activation: type[nn.Module] = nn.ReLU, pool: type[nn.Module] = nn.MaxPool2d, width: int = 16) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        activation(),
        pool(2),
        nn.Conv2d(width, 2 * width, 3),
        activation(),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 24, 5, padding=2),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, stride=2, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


def trained(network: nn.Module, seed: int, train: Train = TRAIN, temperature: float = 1.0) -> nn.Module:
    def loss(module: nn.Module, batch: brinell.training.Batch) -> Tensor:
        return temperature * F.cross_entropy(module(batch.images) / temperature, batch.labels)

    fit(network, brinell.data.build("digits", split="train"), train, seed=seed, loss=None if temperature == 1 else loss)
    return network.eval()


def flicker(images: Tensor) -> Tensor:
    """Every image shifted by a pixel at random, as a randomised defence does."""
    moves = torch.randint(-1, 2, (2,))
    return images.roll((int(moves[0]), int(moves[1])), dims=(2, 3))


ROBUST = TRAIN.model_copy(
    update={"adversarial": Adversarial(fraction=1, epsilon=EPSILON, epsilon_rule="fixed", label="true", steps=4)}
)
HONEST: dict[str, Callable[[int], nn.Module]] = {
    "GELU": lambda seed: trained(small(nn.GELU), seed),
    "average pooling": lambda seed: trained(small(pool=nn.AvgPool2d), seed),
    "narrow": lambda seed: trained(small(width=6), seed),
    "wide": lambda seed: trained(small(width=48), seed),
    "batch-normed, global pooling": lambda seed: trained(normed(), seed),
    "label smoothing": lambda seed: trained(small(), seed, TRAIN.model_copy(update={"label_smoothing": 0.1})),
    "weight decay": lambda seed: trained(small(), seed, TRAIN.model_copy(update={"weight_decay": 3e-3})),
    "trained on PGD": lambda seed: trained(small(), seed, ROBUST),
}
MASKED: dict[str, Callable[[int], nn.Module]] = {
    "at a temperature of 100": lambda seed: trained(small(), seed, temperature=100.0),
    "at a temperature of 300": lambda seed: trained(small(nn.GELU), seed, temperature=300.0),
    "shifted at random": lambda seed: Behind(trained(small(), seed), flicker),
    "noise of 0.2": lambda seed: Behind(trained(small(), seed), lambda x: x + 0.2 * torch.randn_like(x)),
    "four grey levels": lambda seed: Behind(trained(small(), seed), lambda x: (x * 3).round() / 3),
    "logits times 10,000": lambda seed: Behind(trained(normed(), seed), lambda x: x, 1e4),
    "a steep sigmoid": lambda seed: trained(Behind(small(), lambda x: (100 * (x - 0.4)).sigmoid()), seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = brinell.data.build("digits", split="test", examples=150).tensors()
    for title, networks, wanted in (("masked", MASKED, True), ("honest", HONEST, False)):
        right = 0
        for name, build in networks.items():
            for seed in options.seeds:
                torch.manual_seed(seed)
                network, start = build(seed), time.perf_counter()
                verdict = masking.check_gradient_masking(network, images, labels, epsilon=EPSILON, seed=seed)
                right += verdict.masked == wanted
                signs = [item.check for item in verdict.evidence if item.suspicious]
                print(
                    f"{title}: {name:30s} seed {seed}  clean {verdict.clean_accuracy:.3f}  PGD {verdict.reported:.3f}  "
                    f"worst case {verdict.robust_accuracy:.3f}  {'MASKED' if verdict.masked else 'honest'}  "
                    f"{time.perf_counter() - start:5.1f} s  {'; '.join(signs)}",
                    flush=True,
                )
        print(f"{title}: {right} of {len(networks) * len(options.seeds)} judged rightly", flush=True)


if __name__ == "__main__":
    main()
