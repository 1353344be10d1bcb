"""What is known of the machine: whether 8-bit products saturate, as far as Linux says."""

from __future__ import annotations

from pathlib import Path

import pytest

from brinell.study import environment as module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: AMD EPYC 7713\nflags\t\t: fpu avx2 fma\n", False),
        ("model name\t: Intel Xeon\nflags\t\t: fpu avx512f avx512_vnni\n", True),
        ("model name\t: Intel Core Ultra\nflags\t\t: fpu avx2 avx_vnni\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", None),
    ],
)
def test_vnni_is_read_off_the_flags(text: str, expected: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: text)
    assert module.environment()["machine"]["vnni"] is expected
