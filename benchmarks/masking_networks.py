"""Networks that the masking probe is tried on.

Thresholds may be set on those of `KNOWN`. Those of `FIRST` and `SECOND` were written down before the probe judged any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from brinell.variants import Variant
from masking_layers import (
    Behind,
    Cosine,
    Detached,
    KWinners,
    Mean,
    NearestExamples,
    OneAtRandom,
    Patches,
    SqueezeExcite,
    Votes,
    binary_sign,
    block_rounding,
    hash_noise,
    palette,
    resized_at_random,
    ripple,
    same,
    scaled_each,
    thermometer,
    turned_at_random,
    with_gradient,
)
from masking_training import (
    EPSILON,
    at_temperature,
    cutout,
    dense,
    digits,
    distilled,
    focal,
    gradient_penalty,
    hinge,
    layer,
    mixup,
    noisy,
    normed,
    one_bit_weights,
    plain,
    pruned,
    robust,
    rounded_weights,
    small,
    squeezed,
    trades,
    trained,
    unsure,
)

ADAM = {"optimizer": "adamw", "learning_rate": 3e-3}
Build = Callable[[int], "nn.Module | Variant"]


@dataclass(frozen=True)
class Networks:
    """Networks by name, each a function of the seed."""

    masked: dict[str, Build]
    honest: dict[str, Build]


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Every image shifted by a pixel at random, as a randomised defence does."""
    moves = torch.randint(-1, 2, (2,))
    return images.roll((int(moves[0]), int(moves[1])), dims=(2, 3))


KNOWN = Networks(
    masked={
        "at a temperature of 100": lambda seed: trained(small(), seed, loss=at_temperature(100)),
        "at a temperature of 300": lambda seed: trained(small(nn.GELU), seed, loss=at_temperature(300)),
        "shifted at random": lambda seed: Behind(plain(seed), shifted),
        "noise of 0.2": lambda seed: Behind(plain(seed), lambda x: x + 0.2 * torch.randn_like(x)),
        "four grey levels": lambda seed: Behind(plain(seed), lambda x: (x * 3).round() / 3),
        "logits times 10,000": lambda seed: Behind(trained(normed(), seed), after=lambda x: 1e4 * x),
        "a steep sigmoid": lambda seed: trained(Behind(small(), lambda x: (100 * (x - 0.4)).sigmoid()), seed),
        "k-WTA, 20 %": lambda seed: trained(small(lambda: KWinners(0.2)), seed),
        "k-WTA, 30 %": lambda seed: trained(small(lambda: KWinners(0.3)), seed),
    },
    honest={
        "GELU": lambda seed: trained(small(nn.GELU), seed),
        "average pooling": lambda seed: trained(small(pool=nn.AvgPool2d), seed),
        "narrow": lambda seed: trained(small(width=6), seed),
        "wide": lambda seed: trained(small(width=48), seed),
        "batch norm, global pooling": lambda seed: trained(normed(), seed),
        "label smoothing": lambda seed: trained(small(), seed, label_smoothing=0.1),
        "weight decay": lambda seed: trained(small(), seed, weight_decay=3e-3),
        "trained on PGD": lambda seed: trained(small(), seed, robust(EPSILON)),
        "plain": plain,
    },
)
FIRST = Networks(
    masked={
        "k-WTA, 10 %": lambda seed: trained(small(lambda: KWinners(0.1)), seed),
        "k-WTA, 40 %": lambda seed: trained(small(lambda: KWinners(0.4)), seed),
        "thermometer code": lambda seed: trained(
            Behind(nn.Sequential(nn.Conv2d(8, 1, 1), *small()), thermometer),
            seed,  # type: ignore[misc]
        ),
        "blocks of cosines, rounded": lambda seed: Behind(plain(seed), block_rounding),
        "resized at random": lambda seed: Behind(plain(seed), resized_at_random),
        "activations dropped at random": lambda seed: Behind(
            nn.Sequential(*plain(seed)[:5], layer(lambda x: 2 * x * (torch.rand_like(x) > 0.5))(), *plain(seed)[5:])  # type: ignore[index,misc]
        ),
        "gradient turned round": lambda seed: Behind(plain(seed), with_gradient(same, torch.neg)),
        "ripple on the image": lambda seed: trained(Behind(small(), ripple), seed),
        "detached, another network's gradient": lambda seed: Detached(plain(seed), plain(seed + 100)),
        "three networks that vote": lambda seed: Votes([plain(seed + n) for n in (0, 100, 200)], 1e3),
        "tanh of 30 times": lambda seed: trained(dense(layer(lambda x: (30 * x).tanh())), seed),
        "logits squeezed, on noise": lambda seed: trained(small(), seed, loss=squeezed),
        "probabilities of at least a thousandth": lambda seed: Behind(
            plain(seed), after=lambda x: (50 * x).softmax(1).clamp_min(1e-3).log()
        ),
        "two layers of sign, straight through": lambda seed: trained(
            dense(layer(with_gradient(binary_sign, same))), seed, learning_rate=0.003
        ),
        "gradient with noise": lambda seed: Behind(
            plain(seed), with_gradient(same, lambda g: g + 20 * g.std() * torch.randn_like(g))
        ),
        "gradient of every third row": lambda seed: Behind(
            plain(seed), with_gradient(same, lambda g: g * (torch.arange(8) % 3 == 0).float()[:, None])
        ),
    },
    honest={
        "SiLU": lambda seed: trained(small(nn.SiLU), seed),
        "leaky ReLU": lambda seed: trained(small(nn.LeakyReLU), seed),
        "trained on PGD, 8/255": lambda seed: trained(small(), seed, robust(8 / 255)),
        "trained on PGD, 24/255": lambda seed: trained(small(), seed, robust(24 / 255)),
        "trained on PGD, wide": lambda seed: trained(small(width=40), seed, robust(EPSILON)),
        "trained on PGD, batch norm": lambda seed: trained(normed(), seed, robust(EPSILON)),
        "TRADES, 6": lambda seed: trained(small(), seed, loss=trades(6)),
        "dropout": lambda seed: trained(dense(dropout=0.4), seed),
        "mixup": lambda seed: trained(small(), seed, loss=mixup),
        "pruned by 80 %": lambda seed: trained(pruned(plain(seed), 0.6), seed, epochs=3),
        "distilled at 4": lambda seed: trained(small(width=8), seed, loss=distilled(plain(seed), 4), **ADAM),
        "int8": lambda seed: rounded_weights(plain(seed), 8),
        "small input gradients": lambda seed: trained(small(), seed, loss=gradient_penalty, epochs=6),
        "group norm, ELU": lambda seed: trained(normed(lambda width: nn.GroupNorm(4, width), nn.ELU), seed),
        "five dense layers": lambda seed: trained(dense(depth=5, width=64), seed, **ADAM),
        "cosine classifier": lambda seed: trained(nn.Sequential(*small()[:6], Cosine(128)), seed),  # type: ignore[index]
    },
)
SECOND = Networks(
    masked={
        "k-WTA, 15 %, dense": lambda seed: trained(dense(lambda: KWinners(0.15)), seed),
        "k-WTA, 25 %, wide": lambda seed: trained(small(lambda: KWinners(0.25), width=32), seed),
        "k-WTA, 35 %, batch norm": lambda seed: trained(normed(activation=lambda: KWinners(0.35)), seed),
        "a table of six colours": lambda seed: trained(Behind(small(), palette), seed),
        "turned at random": lambda seed: Behind(plain(seed), turned_at_random),
        "one of three networks at random": lambda seed: OneAtRandom([plain(seed + n) for n in (0, 100, 200)]),
        "gradient too small for float32": lambda seed: Behind(plain(seed), with_gradient(same, lambda g: g * 1e-44)),
        "activations rounded": lambda seed: trained(
            small(layer(with_gradient(lambda x: x.relu().round(), lambda g: g))), seed
        ),
        "noise that the logits make": lambda seed: Behind(plain(seed), after=hash_noise),
        "nearest training images": lambda seed: NearestExamples(*digits().tensors(), sharpness=200.0),
        "three layers of sign, hard tanh": lambda seed: trained(
            small(layer(with_gradient(binary_sign, same)), width=24), seed, learning_rate=0.003
        ),
        "logits stretched image by image": lambda seed: Behind(plain(seed), after=scaled_each),
        "distilled twice at 50": lambda seed: trained(
            small(), seed, loss=distilled(trained(small(), seed + 1, loss=at_temperature(50)), 50)
        ),
        "gradient rolled by a pixel": lambda seed: Behind(
            plain(seed), with_gradient(same, lambda g: g.roll((1, 1), (2, 3)))
        ),
        "wraps at one half": lambda seed: trained(Behind(small(), lambda x: (6 * x).frac()), seed),
        "a square root's infinite slope": lambda seed: Behind(
            plain(seed), lambda x: x + 1e-6 * (x - x.detach()).abs().sqrt()
        ),
    },
    honest={
        "Mish": lambda seed: trained(small(nn.Mish), seed),
        "trained on PGD, 12/255, SiLU": lambda seed: trained(small(nn.SiLU), seed, robust(12 / 255)),
        "trained on PGD, 32/255": lambda seed: trained(small(), seed, robust(32 / 255)),
        "trained on PGD, l2 of 0.5": lambda seed: trained(small(), seed, robust(0.5, norm="l2")),
        "trained on PGD, dense": lambda seed: trained(dense(), seed, robust(EPSILON)),
        "TRADES, 2, CELU": lambda seed: trained(small(nn.CELU), seed, loss=trades(2)),
        "a vision transformer": lambda seed: trained(Patches(), seed, **ADAM),
        "squeeze and excite": lambda seed: trained(
            nn.Sequential(*small()[:2], SqueezeExcite(16), *small()[2:]),
            seed,  # type: ignore[index,misc]
        ),
        "cutout": lambda seed: trained(small(), seed, loss=cutout),
        "focal loss": lambda seed: trained(small(), seed, loss=focal),
        "hinge loss": lambda seed: trained(small(), seed, loss=hinge),
        "penalty on confidence": lambda seed: trained(small(), seed, loss=unsure),
        "trained on noise": lambda seed: trained(small(), seed, loss=noisy),
        "weights of one bit": lambda seed: trained(one_bit_weights(small(width=24)), seed),
        "distilled from a robust network": lambda seed: trained(
            small(), seed, loss=distilled(trained(small(), seed, robust(EPSILON)), 4), **ADAM
        ),
        "three networks' mean": lambda seed: Mean([plain(seed + n) for n in (0, 100, 200)]),
    },
)
SETS = {"known": KNOWN, "first": FIRST, "second": SECOND}
