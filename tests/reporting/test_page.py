"""The page as a file: whole, offline, safe, and built from whatever is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from brinell.core import StoreError
from brinell.reporting import write, write_with_problems
from brinell.reporting.script_escape import digest
from brinell.store import RunStore
from reporting.fake_run import BASELINE, FAKES, fake_plan, half_finished, write_fake_run

MARKUP = "</script><script>alert(1)</script><b>&amp;\"'"
LONG = "n" * 200


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(write_fake_run(tmp_path_factory.mktemp("run")).root)


def test_everything_is_written(written: Path) -> None:
    assert written.parts[-2:] == ("report", "index.html")
    names = {str(path.relative_to(written.parent)) for path in written.parent.rglob("*") if path.is_file()}
    for figure in ("robust-accuracy-against-cost", "stress-strain", "attack-curves", "distributions"):
        assert {f"figures/{figure}.{kind}" for kind in ("svg", "pdf", "csv", "tex")} <= names
    for table in ("variants", "attack-fgsm", "attack-pgd", "comparison", "coverage"):
        assert {f"tables/{table}.{kind}" for kind in ("svg", "pdf", "csv", "tex")} <= names
    assert written.stat().st_size < 3_000_000


def test_links_lead_to_files_that_are_there(written: Path) -> None:
    links = [link["href"] or "" for link in Page(written).all("a")]
    assert len(links) > 15
    for link in links:
        assert link.startswith("#") or (written.parent / link).is_file()


def test_nothing_is_fetched(written: Path) -> None:
    page = Page(written)
    fetching = ("src", "href", "srcset", "data", "poster", "action", "formaction", "xlink:href")
    for tag, attributes in page.elements:
        for name in fetching:
            assert not re.match(r"\s*(https?:|//|file:)", attributes.get(name) or "", re.IGNORECASE), (tag, name)
    assert not {"link", "iframe", "img", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    assert all("src" not in script for script in page.all("script"))
    style = re.search(r"<style>(.*?)</style>", written.read_text(), re.DOTALL)
    assert style is not None
    assert not re.search(r"@import|url\(|src:", style[1])
    specs = json.loads(_payload(written))
    assert not re.search(r'"url"', json.dumps([figure["charts"] for figure in specs["figures"]]))


def test_the_policy_lets_our_scripts_run_and_nothing_else(written: Path) -> None:
    policy = next(meta["content"] or "" for meta in Page(written).all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", written.read_text(encoding="utf-8"), re.DOTALL)
    assert len(scripts) == 2
    assert re.findall(r"sha256-[^']+", policy) == [digest(code) for code in scripts]


def _payload(path: Path) -> str:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_it_says_the_answer_before_the_evidence(written: Path) -> None:
    text = Page(written).text
    assert (
        text.index("is the best trade-off")
        < text.index("Accuracy and size")
        < text.index("Under fgsm", text.index("Accuracy and size"))
    )
    assert "brinell report " in text
    assert str(written.parents[2]) not in written.read_text()  # no path of this machine


def test_numbers_of_the_table_are_those_of_the_files(written: Path) -> None:
    frame = pl.read_csv(written.parent / "tables" / "variants.csv")
    text = Page(written).text
    for share in frame["clean_accuracy"]:
        assert f"{100 * share:.1f}%" in text


def test_figures_and_tables_can_be_read_aloud_and_sorted_by_keyboard(written: Path) -> None:
    page = Page(written)
    assert all(figure.get("aria-label") for figure in page.all("figure"))
    assert all(svg.get("aria-hidden") or svg.get("aria-label") for svg in page.all("svg"))
    heads = [head for head in page.all("th") if head.get("scope") == "col"]
    assert all("aria-sort" in head for head in heads)
    assert len([button for button in page.all("button") if button.get("aria-pressed") == "true"]) == len(FAKES)
    assert page.all("html")[0]["lang"] == "en"


def test_the_report_is_a_function_of_the_folder(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path, FAKES[:3], examples=100)
    first = write(store.root).read_bytes()
    assert write(store.root).read_bytes() == first


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    fakes = (replace(BASELINE, name=MARKUP), replace(FAKES[2], name=LONG, parent=MARKUP))
    store = write_fake_run(tmp_path, fakes, examples=100)
    path = write(store.root)
    page = Page(path)
    assert MARKUP in page.text
    assert not page.all("b")
    assert len(page.all("script")) == 3
    assert "alert(1)" not in re.sub(
        r"<[^>]*>", "", "".join(re.findall(r"<script>(.*?)</script>", path.read_text(), re.S))
    )
    assert any(attributes.get("title") == LONG for _, attributes in page.elements)
    assert json.loads(_payload(path))["variants"] == [MARKUP, LONG]


def test_half_finished_says_what_is_missing_and_why(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    trial = next(trial for trial in store.plan().trials if trial.attack == "fgsm")
    store.rows_path(trial.key, trial.blocks[0].name).write_bytes(b"PAR1 and nothing")
    text = Page(write(store.root)).text
    assert "the loss is NaN in epoch 3" in text
    assert f"trials/{trial.key}/{trial.blocks[0].name}.parquet is left out" in text
    assert "missing" in text
    assert "waits for inq" in text


@pytest.mark.parametrize("variants", [0, 5])
def test_empty(tmp_path: Path, variants: int) -> None:
    store = RunStore(tmp_path)
    store.write_study("", fake_plan(FAKES[:variants]), {})
    text = Page(write(store.root)).text
    assert "No attack is finished yet" in text


def test_one_class(tmp_path: Path) -> None:
    text = Page(write(write_fake_run(tmp_path, FAKES[:2], examples=100, classes=1).root)).text
    assert "10 classes" not in text
    assert "With one class guessing is always correct" in text
    assert "guessing is always right, and nothing can break" in text


def test_a_folder_that_is_no_run_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StoreError, match="not a run's folder"):
            write(root)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("plan", [None, b"", b"{", b'{"name": "old"}', b"[1]", b"\xff\xfe"])
def test_a_run_of_which_nothing_can_be_read_gets_a_page_that_says_so(tmp_path: Path, plan: bytes | None) -> None:
    if plan is not None:
        (tmp_path / "study.json").write_bytes(plan)
    found = write_with_problems(tmp_path)
    page = Page(found.page)
    assert len(found.problems) == 1
    assert "study.json" in page.text
    assert found.problems[0] in page.text
    assert str(tmp_path.parent) not in found.page.read_text()
    assert not page.all("script")


def test_no_torch(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path, FAKES[:2], examples=100)
    code = (
        "import sys; from pathlib import Path; from brinell.reporting import write; write(Path(sys.argv[1]));"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'lightning_fabric')])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
