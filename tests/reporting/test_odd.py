"""Odd runs of everything: markup and 200 signs in names, one class, NaN: the page builds, its files are well-formed."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from brinell.reporting import write_with_problems
from brinell.store import RunStore
from reporting.fake_run import BASELINE, FAKES
from reporting.rich_run import write_rich_run
from reporting.test_page import LONG, MARKUP, Page
from store.rewriting import renew_hash

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fakes = (replace(BASELINE, name=MARKUP), replace(FAKES[2], name=LONG, parent=MARKUP))
    store = write_rich_run(tmp_path_factory.mktemp("odd"), fakes, examples=40)
    plan = store.plan()
    names = (MARKUP, *plan.class_names[1:])
    store.write_study("", plan.model_copy(update={"class_names": names, "name": MARKUP}), {"machine": MARKUP})
    return write_with_problems(store.root).page


def test_markup_is_text_everywhere(odd: Path) -> None:
    page = Page(odd)
    assert not page.all("b")
    assert len(page.all("script")) == 3
    assert page.text.count(MARKUP) > 10
    images = page.all("img")
    assert images
    assert all((image["src"] or "").startswith("data:image/") and image["alt"] for image in images)


def test_every_picture_is_well_formed(odd: Path) -> None:
    paths = sorted(odd.parent.rglob("*.svg"))
    assert len(paths) > 20
    for path in paths:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
        assert root.tag.endswith("svg")
        description = next(iter(root))
        assert "Made by: brinell report" in (description.text or "")
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert path.with_suffix(".tex").read_text(encoding="utf-8").startswith("% made by: brinell report")
        assert path.with_suffix(".csv").is_file()


def test_one_class_and_nan_still_make_a_page(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, FAKES[:2], examples=40)
    plan = store.plan()
    store.write_study("", plan.model_copy(update={"classes": 1, "class_names": ()}), {})
    nothing = [pl.lit(float("nan"), dtype=pl.Float32).alias(name) for name in ("linf", "l2", "margin")]
    for path in (store.root / "trials").rglob("*.parquet"):
        pl.read_parquet(path).with_columns(nothing).write_parquet(path)
        renew_hash(path)
    for variant in plan.variants:
        (store.variant(variant.key) / "costs.json").write_text(
            '{"encoded_bytes": NaN, "ncc": Infinity, "macs": "many"}'
        )
        path = store.variant(variant.key) / "training.parquet"
        pl.read_parquet(path).with_columns(loss=pl.lit(float("nan")), seconds=pl.lit(float("inf"))).write_parquet(path)
        renew_hash(path)
    for probe in plan.probes:
        if probe.kind == "gallery":
            store.write_probe(
                probe.key,
                store.read_probe(probe.key),
                {name: np.full((6, 8, 8, 1), np.nan) for name in ("clean", "adversarial")},
            )
    found = write_with_problems(store.root)
    said = "\n".join(found.problems)
    assert "guessing is always right" in said
    assert said.count("numbers that are not finite, in margin, l2, linf") == len(list((tmp_path / "trials").iterdir()))
    assert said.count("has no number for encoded_bytes, dense_bytes, parameters, macs") == 2
    text = Page(found.page).text
    assert "With one class guessing is always correct" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


CONTROL = "a\x01b\x1b[31mc\u202ed"


def test_characters_that_nobody_can_print_are_marked(tmp_path: Path) -> None:
    """XML knows no way to write them, and a terminal would obey them."""
    store = write_rich_run(tmp_path / "run\x02", (BASELINE, replace(FAKES[2], name="strange")), examples=40)
    plan = json.loads(store.plan_path.read_bytes())
    plan["name"] = plan["variants"][1]["name"] = plan["class_names"][0] = plan["dataset"] = CONTROL
    plan["variants"][1]["settings"] = {"kind": "prune", "way": CONTROL}
    for trial in plan["trials"]:
        trial["attack"] = f"{trial['attack']}\x07"
    store.plan_path.write_text(json.dumps(plan))
    renew_hash(store.plan_path)
    found = write_with_problems(store.root)
    assert found.problems == ()
    page = found.page.read_text(encoding="utf-8")
    assert "a\ufffdb\ufffd[31mc\ufffdd" in page
    assert "fgsm\ufffd" in page
    for path in found.page.parent.rglob("*.svg"):
        ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314


def test_a_folder_that_was_cleared_says_so_once_and_draws_what_is_there(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, FAKES[:2], examples=40)
    first = write_with_problems(store.root)
    drawn = {path.name for path in first.page.parent.rglob("*.svg")}
    for folder in ("trials", "traces", "probes"):
        for path in sorted((store.root / folder).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    again = write_with_problems(RunStore(tmp_path).root)
    assert "No attack is finished yet" in Page(again.page).text
    left = {path.name for path in again.page.parent.rglob("*.svg")}
    assert left < drawn  # figures of what is gone are gone
