"""Gaussian, shot and impulse noise."""

from __future__ import annotations

import torch
from scipy import stats
from torch import Tensor

from brinell.probes.image_corruptions.random_numbers import RandomNumbers


def gaussian_noise(images: Tensor, deviation: float, numbers: RandomNumbers) -> Tensor:
    """Adds normal noise of a standard `deviation` to every channel."""
    return images + deviation * numbers.gaussian(tuple(images.shape[1:]))


def shot_noise(images: Tensor, photons: float, numbers: RandomNumbers) -> Tensor:
    """Draws every value from a Poisson distribution, in which white is `photons`."""
    chance = numbers.uniform(tuple(images.shape[1:]))
    counts = stats.poisson.ppf(chance.numpy(), photons * images.numpy())
    return torch.from_numpy(counts).float().clamp_min(0) / photons


def impulse_noise(images: Tensor, share: float, numbers: RandomNumbers) -> Tensor:
    """Makes a `share` of all values 0 or 1 ("salt and pepper"), as likely one as the other."""
    shape = tuple(images.shape[1:])
    salt = (numbers.uniform(shape, 1) < 0.5).float()
    return torch.where(numbers.uniform(shape, 0) < share, salt, images)
