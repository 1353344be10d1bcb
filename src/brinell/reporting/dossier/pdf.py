"""A page as PDF, by the system's Chromium without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from brinell.core import ConfigurationError, StoreError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS: Final = 300


def find_browser() -> str:
    """The program.

    Raises:
        ConfigurationError: there is none.
    """
    for name in BROWSERS:
        if (found := shutil.which(name)) is not None:
            return found
    raise ConfigurationError(f"a PDF takes a browser on PATH: {', '.join(BROWSERS)}; JSON and HTML need none")


def print_pdf(page: Path, target: Path) -> None:
    """Write a local page, which loads nothing, as PDF.

    Args:
        page: An HTML file.
        target: The PDF file.

    Raises:
        ConfigurationError: there is no browser.
        StoreError: the browser did not write it.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to sandbox root, as in containers; the page is our own
        command += ["--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreError(f"{browser} did not write {target}: {error}") from error
    if done.returncode or not target.is_file():
        raise StoreError(f"{browser} did not write {target}: {done.stderr.strip()[-300:]}")
