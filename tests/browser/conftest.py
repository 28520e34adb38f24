"""A headless browser; where the machine has none, these tests are skipped, unless the environment says it must be there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "SPECDIFF_BROWSER"
"""Set (to anything) where a browser is part of the machine's set-up: a missing one then fails."""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium without a network, a fresh profile each session."""
    selenium = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        if os.environ.get(REQUIRED):
            pytest.fail("no chromium and chromedriver on the path; Debian: apt-get install chromium chromium-driver")
        pytest.skip("no chromium and chromedriver on the path")
    options = selenium.ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
        "--window-size=1300,1600", f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    made.set_script_timeout(150)
    yield made
    made.quit()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's script (axe-core, Deque Systems)."""
    package = pytest.importorskip("axe_core_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
