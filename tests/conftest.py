"""What all tests share: no network, a cache of their own, and the rule for browser tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

# Before anything imports a hub client: a test that reaches for the network fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

REQUIRE_BROWSER = os.environ.get("STUDIO_REQUIRE_BROWSER") == "1"
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def find_chromium() -> str | None:
    """Path of a Chromium on this machine: STUDIO_CHROMIUM, else the usual names on PATH."""
    named = os.environ.get("STUDIO_CHROMIUM")
    if named:
        return named
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium that browser tests drive (with playwright's executable_path)."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium found (Debian: apt-get install chromium)")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Tests never read or fill the user's cache or runs folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("STUDIO_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip browser tests where there is no Chromium, unless they are required."""
    if REQUIRE_BROWSER or find_chromium():
        return
    skip = pytest.mark.skip(reason="no Chromium found (Debian: apt-get install chromium)")
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With STUDIO_REQUIRE_BROWSER=1 a skipped browser test is a failed one."""
    report = yield
    if REQUIRE_BROWSER and report.skipped and "browser" in item.keywords:
        report.outcome = "failed"
        report.longrepr = (
            f"a browser test was skipped, but STUDIO_REQUIRE_BROWSER=1: {report.longrepr}"
        )
    return report
