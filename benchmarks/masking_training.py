"""Small networks for handwritten digits and the losses that they are trained on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

import brinell
from brinell.training import Adversarial, Batch, Loss, Train, fit
from masking_layers import Elementwise

EPSILON = 16 / 255
TRAIN = Train(epochs=8, batch_size=64, learning_rate=0.03, augment="shift")
Layers = Callable[[], nn.Module]


@cache
def digits() -> brinell.data.Dataset:
    return brinell.data.build("digits", split="train")


def small(activation: Layers = nn.ReLU, pool: type[nn.Module] = nn.MaxPool2d, width: int = 16) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        activation(),
        pool(2),
        nn.Conv2d(width, 2 * width, 3),
        activation(),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )


def normed(norm: Callable[[int], nn.Module] = nn.BatchNorm2d, activation: Layers = nn.ReLU) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 24, 5, padding=2),
        norm(24),
        activation(),
        nn.Conv2d(24, 24, 3, stride=2, padding=1),
        norm(24),
        activation(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


def dense(activation: Layers = nn.ReLU, width: int = 96, depth: int = 2, dropout: float = 0.0) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for number in range(depth):
        layers += [nn.Linear(width if number else 64, width), activation(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def trained(
    network: nn.Module, seed: int, train: Train = TRAIN, loss: Loss | None = None, **changes: object
) -> nn.Module:
    fit(network, digits(), train.model_copy(update=changes), seed=seed, loss=loss)
    return network.eval()


@cache
def plain(seed: int) -> nn.Module:
    """The ordinary network that many stand behind something else; never changed."""
    torch.manual_seed(seed)
    return trained(small(), seed)


def robust(radius: float, steps: int = 4, norm: str = "linf") -> Train:
    """Training on PGD's images alone."""
    settings = {"fraction": 1, "epsilon": radius, "epsilon_rule": "fixed", "label": "true", "steps": steps}
    return TRAIN.model_copy(update={"adversarial": Adversarial.model_validate({**settings, "norm": norm})})


def at_temperature(temperature: float) -> Loss:
    def loss(module: nn.Module, batch: Batch) -> Tensor:
        return temperature * F.cross_entropy(module(batch.images) / temperature, batch.labels)

    return loss


def distilled(teacher: nn.Module, temperature: float) -> Loss:
    def loss(module: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = (teacher(batch.images) / temperature).softmax(1)
        return temperature * F.cross_entropy(module(batch.images) / temperature, wanted)

    return loss


def squeezed(module: nn.Module, batch: Batch) -> Tensor:
    """Logit squeezing on noisy images (Kannan et al. 2018)."""
    logits = module(batch.images + 0.3 * torch.randn_like(batch.images))
    return F.cross_entropy(logits, batch.labels) + 0.5 * logits.square().mean()


def trades(beta: float) -> Loss:
    """Zhang et al. 2019, with four steps."""

    def loss(module: nn.Module, batch: Batch) -> Tensor:
        clean = module(batch.images)
        wanted = clean.detach().softmax(1)
        moved = batch.images + 1e-3 * torch.randn_like(batch.images)
        for _ in range(4):
            moved = moved.detach().requires_grad_()
            apart = F.kl_div(module(moved).log_softmax(1), wanted, reduction="batchmean")
            (gradient,) = torch.autograd.grad(apart, moved)
            moved = (moved + EPSILON / 2 * gradient.sign()).clamp(batch.images - EPSILON, batch.images + EPSILON)
        apart = F.kl_div(module(moved.detach().clamp(0, 1)).log_softmax(1), clean.softmax(1), reduction="batchmean")
        return F.cross_entropy(clean, batch.labels) + beta * apart

    return loss


def mixup(module: nn.Module, batch: Batch) -> Tensor:
    share = float(torch.distributions.Beta(0.4, 0.4).sample())
    order = torch.randperm(len(batch.labels))
    logits = module(share * batch.images + (1 - share) * batch.images[order])
    return share * F.cross_entropy(logits, batch.labels) + (1 - share) * F.cross_entropy(logits, batch.labels[order])


def cutout(module: nn.Module, batch: Batch) -> Tensor:
    images = batch.images.clone()
    top, left = (int(torch.randint(0, 6, ())) for _ in range(2))
    images[:, :, top : top + 3, left : left + 3] = 0
    return F.cross_entropy(module(images), batch.labels)


def noisy(module: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(module(batch.images + 0.15 * torch.randn_like(batch.images)), batch.labels)


def focal(module: nn.Module, batch: Batch) -> Tensor:
    each = F.cross_entropy(module(batch.images), batch.labels, reduction="none")
    return ((1 - (-each).exp()).square() * each).mean()


def hinge(module: nn.Module, batch: Batch) -> Tensor:
    return F.multi_margin_loss(module(batch.images), batch.labels)


def unsure(module: nn.Module, batch: Batch) -> Tensor:
    """A penalty on confidence (Pereyra et al. 2017)."""
    logits = module(batch.images)
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    return F.cross_entropy(logits, batch.labels) - 0.2 * entropy


def gradient_penalty(module: nn.Module, batch: Batch) -> Tensor:
    """Input gradients are kept small (Ross & Doshi-Velez 2018)."""
    images = batch.images.detach().requires_grad_()
    loss = F.cross_entropy(module(images), batch.labels)
    (gradient,) = torch.autograd.grad(loss, images, create_graph=True)
    return loss + 300 * len(images) * gradient.square().sum((1, 2, 3)).mean()


def pruned(network: nn.Module, share: float) -> nn.Module:
    """A copy whose smallest weights of each layer are zero."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for weight in (values for values in network.parameters() if values.ndim > 1):
            weight *= weight.abs() > weight.abs().flatten().quantile(share)
    return network


def rounded_weights(network: nn.Module, bits: int) -> nn.Module:
    """A copy whose weights of each layer are rounded to `bits` bits."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for weight in (values for values in network.parameters() if values.ndim > 1):
            step = weight.abs().amax() / (2 ** (bits - 1) - 1)
            weight.copy_((weight / step).round() * step)
    return network


class _OneBit(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        scale = weight.abs().mean()
        return weight + (scale * weight.sign() - weight).detach()


def one_bit_weights(network: nn.Module) -> nn.Module:
    """Weights of one bit in all layers, activations as they were: the gradient of the images is exact."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            parametrize.register_parametrization(layer, "weight", _OneBit())
    return network


def layer(function: Callable[[Tensor], Tensor]) -> Layers:
    return lambda: Elementwise(function)
