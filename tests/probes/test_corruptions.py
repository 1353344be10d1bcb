"""Corruptions: published settings, ranges, seeds, oracles, and what the probe reports."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage
from torch import nn

from brinell.analysis.records.corruption_groups import GROUPS
from brinell.core import ConfigurationError
from brinell.probes import PROBES, Corruptions, ProbeInput
from brinell.probes.image_corruptions import CORRUPTIONS, corrupt, severity_set
from brinell.probes.image_corruptions.blurs import soft_disk
from brinell.probes.image_corruptions.random_numbers import RandomNumbers
from brinell.probes.image_corruptions.resampling import enlarge, smear, smooth
from brinell.probes.image_corruptions.severities import CIFAR10_C, IMAGENET_C
from brinell.probes.image_corruptions.weather import height_map
from brinell.variants import Variant

PUBLISHED = {
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
}  # fmt: skip


def natural(count: int = 12, side: int = 32, channels: int = 3) -> torch.Tensor:
    """Smooth random images, as photographs are, on 8 bits."""
    chance = np.random.default_rng(5).normal(size=(count, channels, side, side))
    rough = ndimage.gaussian_filter(chance, (0, 0, 1.5, 1.5)) / 0.35
    return torch.from_numpy(np.round(np.clip(0.5 + 0.4 * rough, 0, 1) * 255) / 255).float()


IMAGES = natural()
IDS = torch.arange(100, 112)


def distance(corruption: str, severity: int) -> float:
    return float((corrupt(IMAGES, corruption, severity, IDS) - IMAGES).flatten(1).norm(dim=1).mean())


def test_the_fifteen_of_the_paper_in_its_four_groups() -> None:
    assert set(CORRUPTIONS) == set(CIFAR10_C) == set(IMAGENET_C) == PUBLISHED
    assert {name: len(members) for name, members in GROUPS.items()} == {
        "noise": 3,
        "blur": 4,
        "weather": 4,
        "digital": 4,
    }
    assert [name for members in GROUPS.values() for name in members] == list(CORRUPTIONS)
    assert all(len(settings) == 5 for table in (CIFAR10_C, IMAGENET_C) for settings in table.values())


@pytest.mark.parametrize("corruption", sorted(PUBLISHED - {"elastic_transform", "frost", "glass_blur", "snow"}))
def test_distance_rises_with_severity(corruption: str) -> None:
    distances = [distance(corruption, severity) for severity in range(1, 6)]
    assert distances == sorted(distances)
    assert distances[0] < distances[-1]


@pytest.mark.parametrize("corruption", ["frost", "glass_blur", "snow"])
def test_the_strongest_moves_farther_than_the_weakest(corruption: str) -> None:
    # The published settings of these rise in one number while another falls.
    assert distance(corruption, 1) < distance(corruption, 5)


def test_elastic_transform_displaces_locally_what_the_weakest_only_turns() -> None:
    # CIFAR-10-C's first severity has no displacements; its corners move farthest. The distances need not rise.
    weakest = corrupt(IMAGES, "elastic_transform", 1, IDS)
    assert 0 < float((weakest - IMAGES).abs().mean()) < 0.2
    strongest = corrupt(IMAGES, "elastic_transform", 5, IDS)
    rough = [float((found.diff(dim=-1).diff(dim=-1)).abs().mean()) for found in (weakest, strongest)]
    assert rough[0] < rough[1]


@pytest.mark.parametrize("corruption", sorted(PUBLISHED))
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 30, 36), (4, 9, 7)])
def test_any_size_and_number_of_channels(corruption: str, channels: int, height: int, width: int) -> None:
    images = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(1))
    kept = images.clone()
    for severity in (1, 5):
        found = corrupt(images, corruption, severity, torch.tensor([3, 4]))
        assert (found.shape, found.dtype) == (images.shape, torch.float32)
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1
        assert torch.equal((found * 255).round() / 255, found)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("corruption", sorted(PUBLISHED))
def test_black_and_white_images_stay_finite(corruption: str) -> None:
    images = torch.stack((torch.zeros(3, 16, 16), torch.ones(3, 16, 16)))
    assert bool(corrupt(images, corruption, 3, torch.tensor([0, 1])).isfinite().all())


@pytest.mark.parametrize("corruption", sorted(PUBLISHED))
def test_an_example_is_corrupted_alike_in_every_batch(corruption: str) -> None:
    together = corrupt(IMAGES, corruption, 3, IDS, seed=2)
    alone = corrupt(IMAGES[4:5], corruption, 3, IDS[4:5], seed=2)
    assert float((together[4:5] - alone).abs().max()) <= 1.01 / 255  # sums may round to the other side
    assert float((together[4:5] != alone).float().mean()) < 0.01


RANDOM = {
    "gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "snow", "frost", "fog",
    "elastic_transform",
}  # fmt: skip


@pytest.mark.parametrize("corruption", sorted(PUBLISHED))
def test_only_what_is_random_depends_on_the_seed(corruption: str) -> None:
    first, again, other = (corrupt(IMAGES, corruption, 5, IDS, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (corruption not in RANDOM)


def test_small_images_take_the_settings_of_cifar_10_c_and_large_ones_those_of_imagenet_c() -> None:
    assert severity_set(torch.zeros(1, 3, 64, 64)) == "CIFAR-10-C"
    assert severity_set(torch.zeros(1, 3, 60, 65)) == "ImageNet-C"
    level = [float(corrupt(torch.full((1, 3, s, s), 0.2), "brightness", 1, IDS[:1])[0, 0, 0, 0]) for s in (32, 96)]
    assert level == pytest.approx([0.25, 0.3], abs=1 / 255)  # + .05 and + .1


# Oracles


def test_noise_has_the_published_spread() -> None:
    grey = torch.full((8, 3, 32, 32), 0.5)
    ids = torch.arange(8)
    for severity in range(1, 6):
        noisy = corrupt(grey, "gaussian_noise", severity, ids)
        assert float(noisy.std()) == pytest.approx(CIFAR10_C["gaussian_noise"][severity - 1], rel=0.03)
        shot = corrupt(grey, "shot_noise", severity, ids)
        assert float(shot.mean()) == pytest.approx(0.5, abs=0.003)
        assert float(shot.var()) == pytest.approx(0.5 / CIFAR10_C["shot_noise"][severity - 1], rel=0.05)
        impulse = corrupt(grey, "impulse_noise", severity, ids)
        share = CIFAR10_C["impulse_noise"][severity - 1]
        for value in (0.0, 1.0):
            assert float((impulse == value).float().mean()) == pytest.approx(share / 2, rel=0.2)


def test_contrast_multiplies_the_deviation_and_keeps_the_mean() -> None:
    found = corrupt(IMAGES, "contrast", 4, IDS)
    assert found.std((2, 3)).numpy() == pytest.approx(0.3 * IMAGES.std((2, 3)).numpy(), rel=0.02)
    assert found.mean((2, 3)).numpy() == pytest.approx(IMAGES.mean((2, 3)).numpy(), abs=1 / 255)


def test_brightness_is_that_of_hue_saturation_and_value() -> None:
    import colorsys

    found = corrupt(IMAGES[:1], "brightness", 3, IDS[:1])[0].flatten(1).T
    for before, after in zip(IMAGES[0].flatten(1).T.tolist()[::17], found.tolist()[::17], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.15)), abs=0.51 / 255)


@pytest.mark.parametrize("severity", range(1, 6))
def test_jpeg_is_pillows_at_the_published_quality(severity: int) -> None:
    found = corrupt(IMAGES[:1], "jpeg_compression", severity, IDS[:1])
    file = BytesIO()
    levels = (IMAGES[0] * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    Image.fromarray(levels).save(file, "JPEG", quality=(80, 65, 58, 50, 40)[severity - 1])
    assert np.array_equal((found[0] * 255).round().to(torch.uint8).movedim(0, -1).numpy(), np.asarray(Image.open(file)))


@pytest.mark.parametrize("severity", range(1, 6))
def test_pixelation_is_pillows_box_resizing(severity: int) -> None:
    found = corrupt(IMAGES[:1, :1], "pixelate", severity, IDS[:1])[0, 0].numpy()
    side = int(32 * (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1])
    small = Image.fromarray(IMAGES[0, 0].numpy()).resize((side, side), Image.Resampling.BOX)
    assert found == pytest.approx(np.asarray(small.resize((32, 32), Image.Resampling.BOX)), abs=0.51 / 255)


@pytest.mark.parametrize(("sigma", "mode", "truncate"), [(0.4, "nearest", 4.0), (6.4, "reflect", 3.0)])
def test_smoothing_is_scipys_gaussian_filter(sigma: float, mode: str, truncate: float) -> None:
    peer = ndimage.gaussian_filter(IMAGES.double().numpy(), (0, 0, sigma, sigma), mode=mode, truncate=truncate)
    assert smooth(IMAGES, sigma, mode=mode, truncate=truncate).numpy() == pytest.approx(peer, abs=1e-5)


def test_the_disk_is_round_and_holds_its_radius() -> None:
    for radius, softness in (*CIFAR10_C["defocus_blur"], *IMAGENET_C["defocus_blur"]):
        kernel = soft_disk(radius, softness)
        assert kernel.sum() == pytest.approx(1)
        assert np.allclose(kernel, kernel.T)
        assert np.allclose(kernel, kernel[::-1])
    assert soft_disk(1, 0.2)[1:-1, 1:-1] == pytest.approx(np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) / 5, abs=1e-4)


def test_a_smear_to_the_right_is_a_one_sided_gaussian() -> None:
    image = torch.zeros(1, 1, 1, 16)
    image[..., 8] = 1
    weights = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2))
    found = smear(image, 2, 1.5, torch.zeros(1))[0, 0, 0].numpy()
    assert found[4:9] == pytest.approx((weights / weights.sum())[::-1])
    assert found.sum() == pytest.approx(1)
    down = smear(image.transpose(2, 3), 2, 1.5, torch.tensor([np.pi / 2]))[0, 0, :, 0].numpy()
    assert down == pytest.approx(found)


def test_a_blur_of_one_colour_changes_nothing() -> None:
    grey = torch.full((2, 3, 24, 24), 102 / 255)
    for corruption in (*GROUPS["blur"], "pixelate", "contrast", "elastic_transform"):
        assert torch.allclose(corrupt(grey, corruption, 5, torch.arange(2)), grey, atol=1e-6), corruption


def test_enlarging_by_two_keeps_the_middle() -> None:
    ramp = torch.arange(8.0).repeat(8, 1)[None, None]
    found = enlarge(ramp, 2.0)
    assert found.shape == ramp.shape
    assert (float(found.min()), float(found.max())) == (2.0, 5.0)


@pytest.mark.parametrize("factor", [1.03, 1.25, 2.25])
def test_enlarging_is_scipys_zoom_of_the_middle(factor: float) -> None:
    kept = int(np.ceil(32 / factor))
    first = (32 - kept) // 2
    middle = IMAGES[..., first : first + kept, first : first + kept].double().numpy()
    large = ndimage.zoom(middle, (1, 1, factor, factor), order=1)
    cut = (large.shape[-1] - 32) // 2
    expected = large[..., cut : cut + 32, cut : cut + 32]
    assert enlarge(IMAGES, factor).numpy() == pytest.approx(expected, abs=1e-5)


def test_glass_takes_pixels_from_nearby_only() -> None:
    places = torch.arange(1024.0).reshape(1, 1, 32, 32) / 1023
    moved = CORRUPTIONS["glass_blur"](places, (1e-3, 1, 1), RandomNumbers(0, "glass_blur", torch.tensor([0])))
    sources = (moved * 1023).round().long()[0, 0]
    rows, columns = sources // 32, sources % 32
    own_rows, own_columns = torch.arange(32)[:, None].expand(32, 32), torch.arange(32).expand(32, 32)
    assert torch.equal(sources[:2], (places * 1023).round().long()[0, 0][:2])  # the published loop ends at row 2
    for found, own in ((rows, own_rows), (columns, own_columns)):
        assert set((found - own).unique().tolist()) == {-1, 0}  # of -1 and 0, as NumPy's randint(-1, 1)
    assert 0.6 < float((sources != (places * 1023).round().long()[0, 0])[2:, 2:].float().mean()) < 0.9


def test_height_maps_fill_their_range_and_are_smoother_where_roughness_decays_faster() -> None:
    numbers = RandomNumbers(0, "fog", torch.arange(6))
    fast, slow = (height_map(torch.zeros(6, 3, 32, 32), decay, numbers) for decay in (3.0, 1.75))
    for heights in (fast, slow):
        assert heights.amin((1, 2)).tolist() == [0.0] * 6
        assert heights.amax((1, 2)).tolist() == [1.0] * 6
    assert float(fast.diff(dim=-1).abs().mean()) < float(slow.diff(dim=-1).abs().mean())


def test_fog_keeps_the_brightest_value() -> None:
    found = corrupt(IMAGES, "fog", 5, IDS)
    assert bool((found.amax((1, 2, 3)) <= IMAGES.amax((1, 2, 3)) + 1 / 255).all())


# The probe


class DarkOrBright(nn.Module):
    """Class 1 for images whose mean is above a half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = self.weight * (images.mean((1, 2, 3)) - 0.5)
        return torch.stack((-bright, bright), 1)


@pytest.fixture
def asked() -> ProbeInput:
    variant = Variant.of(DarkOrBright(), input_shape=(3, 8, 8), classes=2)
    levels = torch.tensor((0.05, 0.25, 0.33, 0.37, 0.43, 0.9))
    images = levels[:, None, None, None].expand(6, 3, 8, 8).contiguous()
    return ProbeInput(variant, images, (levels > 0.5).long(), torch.arange(6))


def test_accuracy_by_corruption_and_severity(asked: ProbeInput) -> None:
    record, arrays = Corruptions(corruptions=("brightness", "contrast"), severities=(1, 3, 5)).ask(asked)
    assert arrays is not None
    assert arrays["correct"].shape == (6, 6)
    assert arrays["correct"].mean(axis=1).tolist() == [reading["accuracy"] for reading in record["readings"]]
    found = {(reading["corruption"], reading["severity"]): reading["accuracy"] for reading in record["readings"]}
    # Of the dark ones, + .05 lifts none, + .15 lifts .37 and .43, + .3 lifts .25, .33, .37 and .43 over a half.
    assert found == {
        ("brightness", 1): 1.0,
        ("brightness", 3): pytest.approx(4 / 6),
        ("brightness", 5): pytest.approx(2 / 6),
        ("contrast", 1): 1.0,
        ("contrast", 3): 1.0,
        ("contrast", 5): 1.0,
    }
    assert record["mean_accuracy"] == pytest.approx((1 + 4 / 6 + 2 / 6 + 3) / 6)
    assert (record["clean_accuracy"], record["examples"], record["settings"]) == (1.0, 6, "CIFAR-10-C")


def test_an_unknown_corruption_and_severity_are_refused(asked: ProbeInput) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no corruption 'fogg'; did you mean 'fog'"):
        corrupt(IMAGES, "fogg", 1, IDS)
    with pytest.raises(ConfigurationError, match=r"severity is 6; accepted: 1 to 5"):
        corrupt(IMAGES, "fog", 6, IDS)
    for settings in ({"corruptions": ("fogg",)}, {"severities": (0,)}, {"severities": (2, 2)}, {"corruptions": ()}):
        with pytest.raises(ValidationError):
            Corruptions(**settings)
    assert PROBES["corruptions"] is Corruptions
    assert Corruptions().passes() == 500 * 76
