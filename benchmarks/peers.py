"""Other libraries' attacks, each as a function from a network, images and labels to adversarial images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Peer = Callable[[nn.Module, Tensor, Tensor], list[Tensor]]
"""Adversarial images, one tensor for each budget, of a network, images and labels."""


class Counting(nn.Module):
    """Counts the images that pass forward and backward; what peers are given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.forwards, self.backwards = network, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits = self.network(images)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: self._count(len(gradient)))
        return logits

    def _count(self, images: int) -> None:
        self.backwards += images


def foolbox_peer(build: Callable[[Any], Any], epsilons: list[float | None], *, targets: Tensor | None = None) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import foolbox

        model = foolbox.PyTorchModel(network.eval(), bounds=(0, 1), device="cpu")
        criterion = labels if targets is None else foolbox.criteria.TargetedMisclassification(targets)
        clipped = build(foolbox.attacks)(model, images, criterion, epsilons=epsilons)[1]
        return list(clipped)

    return run


def torchattacks_peer(build: Callable[[Any, nn.Module], list[Any]]) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import torchattacks

        return [attack(images, labels) for attack in build(torchattacks, network)]

    return run


def art_peer(build: Callable[[Any, Any], list[Any]]) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import art.attacks.evasion as evasion
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            network, nn.CrossEntropyLoss(), tuple(images.shape[1:]), 10, clip_values=(0, 1), device_type="cpu"
        )
        arrays = [attack.generate(images.numpy(), labels.numpy()) for attack in build(evasion, classifier)]
        return [torch.from_numpy(array) for array in arrays]

    return run


def adv_lib_peer(attack: str, **settings: Any) -> Peer:
    """adversarial-library's `ddn` or `fmn`."""

    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import adv_lib.attacks

        return [getattr(adv_lib.attacks, attack)(network, images, labels, **settings)]

    return run


def auto_attack_peer(epsilon: float, seed: int = 0) -> Peer:
    """The authors' AutoAttack, version standard, as pyautoattack packs it."""

    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        from pyautoattack import AutoAttack

        attack = AutoAttack(network, norm="Linf", eps=epsilon, version="standard", device="cpu", seed=seed)
        return [attack.run_standard_evaluation(images, labels, batch_size=len(images))[0]]

    return run


def square_peer(epsilon: float, queries: int, seed: int = 0) -> Peer:
    """Square of the authors' AutoAttack, whose squares shrink as over 10,000 queries."""

    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        from pyautoattack.square import SquareAttack

        settings: dict[str, Any] = {"p_init": 0.8, "n_restarts": 1, "resc_schedule": False, "device": "cpu"}
        attack = SquareAttack(network, norm="Linf", n_queries=queries, eps=epsilon, seed=seed, **settings)
        with torch.no_grad():
            return [attack.perturb(images, labels)]

    return run
