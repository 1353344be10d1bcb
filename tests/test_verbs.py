"""The package itself: six verbs and the rooms, loaded when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import brinell


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
