"""The hub: a variant goes up with its card and comes down equal, and what comes down is taken for a stranger's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import brinell
from brinell.analysis import load as evaluate
from brinell.cli import main
from brinell.container.hub import HubAddress, download, parse_hub_address
from brinell.core import ConfigurationError, StoreError
from brinell.models import ResNet8
from brinell.reporting.model_card import model_card
from brinell.store import RunStore
from brinell.variants import Variant
from reporting.fake_run import write_fake_run
from runs.fake_hub import FakeHub, fake_hub
from store.rewriting import renew_hash

pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")
ADDRESS = "hf://user/small/pruned.brinell"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    import huggingface_hub.constants as constants

    with fake_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        yield found


@pytest.fixture(scope="module")
def network() -> Variant:
    torch.manual_seed(0)
    architecture = ResNet8(width=2)
    return Variant.of(architecture.module().eval(), input_shape=architecture.input_shape, classes=10)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, network: Variant) -> Path:
    """A run whose variant `pruned` has a network's file."""
    store = write_fake_run(tmp_path_factory.mktemp("run") / "run")
    key = next(variant.key for variant in store.plan().variants if variant.name == "pruned")
    costs = (store.variant(key) / "costs.json").read_text()
    shutil.rmtree(store.variant(key))
    with store.new_variant(key) as folder:
        (folder / "costs.json").write_text(costs)
        brinell.save(network, folder / "variant.brinell")
    return store.root


def test_it_goes_up_and_comes_down_equal(hub: FakeHub, network: Variant, tmp_path: Path) -> None:
    file = tmp_path / "pruned.brinell"
    brinell.save(network, file)
    hub.files["user/small/pruned.brinell"] = file.read_bytes()
    found = brinell.load(ADDRESS)
    images = torch.rand(2, *network.input_shape)
    assert torch.equal(found.deployed()(images), network.deployed()(images))
    assert download(ADDRESS).is_relative_to(tmp_path / "cache")
    with pytest.raises(SystemExit) as left:
        main(["inspect", ADDRESS])
    assert not left.value.code


def test_a_damaged_file_a_large_one_and_none(hub: FakeHub) -> None:
    hub.files["user/small/pruned.brinell"] = b"no network"
    with pytest.raises(StoreError, match=r"pruned\.brinell"):
        brinell.load(ADDRESS)
    hub.stated["user/small/huge.brinell"] = 1 << 40
    hub.files["user/small/huge.brinell"] = b"x"
    with pytest.raises(StoreError, match=r"1,099,511,627,776 bytes large; at most 2,147,483,648 bytes are downloaded"):
        brinell.load("hf://user/small/huge.brinell")
    with pytest.raises(StoreError, match=r"is 10 bytes large; at most 5 bytes are downloaded"):
        download(ADDRESS, largest=5)
    with pytest.raises(StoreError, match=r"cannot download hf://user/small/gone\.brinell"):
        brinell.load("hf://user/small/gone.brinell")


@pytest.mark.parametrize(
    "text",
    [
        "hf://user",
        "hf://user/repo",
        "hf://user/repo/file.pt",
        "hf://user/repo/../../x.brinell",
        "hf://a/b/c//d.brinell",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(StoreError, match=r"is no address; expected hf://USER/REPO/FILE\.brinell"):
        brinell.load(text)


def test_an_address_with_a_revision_and_a_folder() -> None:
    assert parse_hub_address("hf://user/repo@v1/nets/a b.brinell") == HubAddress("user/repo", "nets/a b.brinell", "v1")


def test_a_variant_is_published_with_its_card(hub: FakeHub, run: Path) -> None:
    address = brinell.publish(run, "pruned", to="user/small")
    assert address == ADDRESS
    store = RunStore.open(run)
    key = next(variant.key for variant in store.plan().variants if variant.name == "pruned")
    assert hub.files["user/small/pruned.brinell"] == (store.variant(key) / "variant.brinell").read_bytes()
    assert hub.messages == ["Publish pruned"]
    card = hub.files["user/small/README.md"].decode()
    row = evaluate(store).variants.filter(evaluate(store).variants["variant"] == "pruned").row(0, named=True)
    assert card.startswith("---\nlibrary_name: brinell\n")
    assert f"{row['encoded_bytes']:,} bytes" in card
    low, high = (f"{100 * row[name]:.1f}" for name in ("clean_accuracy_low", "clean_accuracy_high"))
    assert f"{100 * row['clean_accuracy']:.1f}% ({low}\u2013{high})" in card
    for words in ("No sign of masked gradients", "How it was made", "worst case within", f'brinell.load("{ADDRESS}")'):
        assert words.replace('"', "'") in card.replace('"', "'")


def test_a_card_of_masked_gradients_says_so(run: Path) -> None:
    card = model_card(evaluate(RunStore.open(run)), "xnor", "xnor.brinell", "hf://user/small/xnor.brinell")
    assert "signs of masked gradients" in card


@pytest.mark.parametrize(
    ("variant", "to", "words"),
    [("nobody", "user/small", "there is no 'nobody'"), ("pruned", "small", "'small' is no repository")],
)
def test_what_cannot_be_published(run: Path, variant: str, to: str, words: str) -> None:
    with pytest.raises((ConfigurationError, StoreError), match=words):
        brinell.publish(run, variant, to=to)


def test_names_of_strangers_do_no_harm_in_a_card(run: Path, tmp_path: Path) -> None:
    root = shutil.copytree(run, tmp_path / "run")
    text = (root / "study.json").read_text()
    (root / "study.json").write_text(text.replace('"digits"', '"<script>alert(1)</script>|[x](y)"'))
    renew_hash(root / "study.json")
    evaluation = evaluate(RunStore.open(root))
    card = model_card(evaluation, "pruned", "pruned.brinell", ADDRESS)
    assert "<script>" not in card
