"""The package itself: six verbs and the rooms, loaded when they are used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

import brinell
from brinell.attacks import FGSM
from brinell.compressors import FineTune
from brinell.core import ConfigurationError, DataError, ModelError


def test_importing_the_package_loads_nothing():
    code = "import sys, brinell; dir(brinell); assert not {'torch', 'polars', 'pydantic', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", brinell.__all__)
def test_every_name_is_there(name):
    assert getattr(brinell, name) is not None
    assert name in dir(brinell)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'atack'"):
        brinell.atack  # noqa: B018


def test_importing_a_room_does_not_hide_a_verb():
    import brinell.attacks
    import brinell.reporting
    import brinell.study

    assert callable(brinell.attack)
    assert callable(brinell.report)
    assert callable(brinell.run)


def slips() -> list[tuple[str, type[Exception], str, Callable[[], object]]]:
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 10))
    attack, tune = FGSM(epsilon=0.1), FineTune()
    return [
        (
            "arrays",
            DataError,
            "images: expected a tensor, not numpy",
            lambda: brinell.attack(network, images.numpy(), labels, attack),
        ),
        (
            "lists",
            DataError,
            "labels: expected a tensor, not builtins.list",
            lambda: brinell.attack(network, images, [0] * 4, attack),
        ),
        (
            "a class",
            ConfigurationError,
            "expected an attack's value, .* not FGSM",
            lambda: brinell.attack(network, images, labels, FGSM),
        ),
        (
            "channels last",
            ModelError,
            r"does not take images .* = \(8, 8, 1\)",
            lambda: brinell.attack(network, images.permute(0, 2, 3, 1), labels, attack),
        ),
        (
            "pairs",
            DataError,
            "train_data: expected a data set .* not tuple",
            lambda: brinell.compress(network, tune, train_data=(images, labels)),
        ),
        (
            "a module",
            ModelError,
            "expected a Variant, not Sequential; .*Variant.of",
            lambda: brinell.save(network, "never.brinell"),
        ),
    ]


@pytest.mark.parametrize(
    ("error", "message", "call"), [slip[1:] for slip in slips()], ids=[slip[0] for slip in slips()]
)
def test_slips_get_one_clear_error(error: type[Exception], message: str, call: Callable[[], object]) -> None:
    with pytest.raises(error, match=message):
        call()


def test_labels_of_any_whole_number_type() -> None:
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    found = [brinell.attack(network, images, labels.to(kind), FGSM(epsilon=0.1)) for kind in (torch.int64, torch.int32)]
    assert torch.equal(found[0].adversarials, found[1].adversarials)


def test_a_run_is_what_report_takes(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "data: {kind: digits, test: {examples: 10}}\n"
        "models: {small: {kind: resnet8, width: 2}}\n"
        "variants: {base: {model: small, train: {epochs: 0}}}\n"
        "attacks: {fgsm: {kind: fgsm, epsilon: 8/255}}\n"
    )
    run = brinell.run(study, out=tmp_path / "run", threads=1)
    assert brinell.report(run) == brinell.report(str(tmp_path / "run")) == tmp_path / "run" / "report" / "index.html"


def test_programs_of_the_first_version_still_import_what_probes_take() -> None:
    from brinell.probes import Answer, Asked, ProbeInput, ProbeResult

    assert (Asked, Answer) == (ProbeInput, ProbeResult)
