from __future__ import annotations

import shutil

from brinell.analysis import load_rows


def test_an_archived_run_is_restored_with_equal_rows_and_reported(brinell, done, tmp_path):
    archived = brinell("archive", done, tmp_path / "archive")
    assert (archived.status, archived.out.strip()) == (0, str(tmp_path / "archive"))
    restored = brinell("restore", tmp_path / "archive", tmp_path / "again")
    assert (restored.status, restored.out.strip()) == (0, str(tmp_path / "again"))
    assert (tmp_path / "again" / "variants" / "base.brinell").is_file()
    assert load_rows(done).equals(load_rows(tmp_path / "again"))
    assert brinell("report", tmp_path / "again").status == 0
    assert brinell("status", tmp_path / "again").status == 0


def test_damage_is_named_and_left_out(brinell, done, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    damaged = min((tmp_path / "run" / "trials").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-4])
    found = brinell("archive", tmp_path / "run", tmp_path / "archive")
    assert found.status == 1
    assert "left out: " in found.err
    assert str(damaged) in found.err.replace("\n", "")


def test_a_folder_in_use_is_refused(brinell, done, tmp_path):
    (tmp_path / "notes.txt").touch()
    found = brinell("archive", done, tmp_path)
    assert found.status == 1
    assert f"error: {tmp_path} holds 'notes.txt'; accepted: a new or empty folder" in found.err
