"""LocalSearch as one would write it first: image by image, one batch of candidates a round.

It makes the same choices as `brinell`'s from the same noise, so that only the speed differs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.attacks import LocalSearch
from brinell.nn import uniform


def local_search(network: nn.Module, images: Tensor, labels: Tensor, attack: LocalSearch, seed: int = 0) -> Tensor:
    """Adversarial images; example ids are their places."""
    found = [_one(network, images[at], labels[at], at, attack, seed) for at in range(len(images))]
    return torch.stack(found)


@torch.inference_mode()
def _one(network: nn.Module, image: Tensor, label: Tensor, example: int, attack: LocalSearch, seed: int) -> Tensor:
    height, width = image.shape[1:]
    clean, current = image.flatten(1), image.flatten(1).clone()
    changed = torch.full((height * width,), -(10**6))
    near = torch.zeros(height * width, dtype=torch.bool)
    logits = network(image[None])
    before, p = logits.log_softmax(1)[0, label], 1.0
    if logits.argmax() != label:
        return image
    for step in range(1, attack.steps + 1):
        noise = uniform(seed, "pixels", torch.tensor([example]), (height * width,), step)[0]
        rested = step - changed > attack.rest
        candidates = (near & rested).nonzero()[:, 0]
        if not len(candidates):
            candidates = ((noise < attack.initial_share) & rested).nonzero()[:, 0]
        candidates = candidates[noise[candidates].argsort()][: attack.max_candidates]
        tries = current.repeat(len(candidates), 1, 1)
        at = torch.arange(len(candidates))
        direction = torch.where(tries[at, :, candidates] >= 0.5, 1.0, -1.0)
        tries[at, :, candidates] = (0.5 + p * direction).clamp(0, 1)
        chances = network(tries.view(-1, *image.shape)).log_softmax(1)[:, label]
        chosen = candidates[chances.argsort()[: attack.changes]]
        own = torch.where(clean[:, chosen] >= 0.5, attack.epsilon, -(attack.epsilon or 0))
        there = clean[:, chosen] + own
        other = (there < 0) | (there > 1) | ((current[:, chosen] - clean[:, chosen]) * own > 0)
        current[:, chosen] = torch.where(other, clean[:, chosen] - own, there).clamp(0, 1)
        changed[chosen] = step
        spots = torch.zeros(1, 1, height, width)
        spots.view(-1)[chosen] = 1
        near = F.max_pool2d(spots, 2 * attack.distance + 1, 1, attack.distance).view(-1) > 0
        logits = network(current.view(1, *image.shape))
        if logits.argmax() != label:
            break
        p = 1.0 if chances.min() < before else p / 2
        before = logits.log_softmax(1)[0, label]
    return current.view_as(image)
