"""`brinell.run` and `brinell.limit`: what they add to a study's computation."""

from __future__ import annotations

import brinell
from brinell.study import RunStarted, TaskResult

STUDY = """
data: {kind: digits, test: {examples: 10}}
models: {small: {kind: resnet8, width: 2}}
variants: {base: {model: small, train: {epochs: 0}}}
attacks: {fgsm: {kind: fgsm, epsilon: 8/255}}
"""


def test_a_run_shows_progress_and_writes_its_report(tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(STUDY)
    events = []
    done = brinell.run(tmp_path / "tiny.yaml", out=tmp_path / "run", threads=1, observe=events.append)
    assert done.report == tmp_path / "run" / "report" / "index.html"
    assert done.report.is_file()
    assert isinstance(events[0], RunStarted)
    assert sum(isinstance(event, TaskResult) for event in events) == 4  # the variant, clean, FGSM, the masking probe
    shown = capsys.readouterr()
    assert not shown.out
    assert "tiny: 1 variants, 2 trials" in shown.err
    assert "base · fgsm" in shown.err

    again = brinell.run(tmp_path / "tiny.yaml", out=tmp_path / "run", threads=1, progress=False, report=False)
    assert again.report is None
    assert capsys.readouterr() == ("", "")
