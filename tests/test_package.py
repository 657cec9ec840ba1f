"""The package: what is in it, what it asks for, and that it works without the checkout."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from email.parser import Parser
from pathlib import Path
from urllib.request import urlopen

import pytest

import studio

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), "."],
        cwd=ROOT, check=True, capture_output=True, timeout=200,
    )  # fmt: skip
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the import path with nothing in it but the package."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def python(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python outside of the checkout, with the installed package."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place, capture_output=True, text=True, timeout=250, check=False,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip


def metadata(installed: Path) -> dict[str, list[str]]:
    (file,) = installed.glob("*.dist-info/METADATA")
    parsed = Parser().parsestr(file.read_text(encoding="utf-8"))
    return {key: parsed.get_all(key) or [] for key in set(parsed.keys())}


def test_it_needs_what_requirements_txt_lists(installed: Path) -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    found = {line for line in metadata(installed)["Requires-Dist"] if "extra ==" not in line}

    def plain(text: str) -> tuple[str, frozenset[str]]:
        name, bounds = re.match(r"([\w.-]+)(.*)", text.replace(" ", "")).groups()  # type: ignore[union-attr]
        return name.lower().replace("_", "-"), frozenset(bounds.split(","))

    assert {plain(line) for line in found} == {plain(line) for line in wanted}


def test_its_name_version_and_licences(installed: Path, wheel: Path) -> None:
    facts = metadata(installed)
    assert facts["Name"] == ["coft-studio"]
    assert facts["Version"] == [studio.__version__]
    assert facts["License-Expression"] == ["Apache-2.0"]
    assert set(facts["License-File"]) == {"LICENSE", "assets/embedded/LICENSES.md"}
    assert wheel.stat().st_size < 60e6


def test_everything_the_page_reads_is_inside(installed: Path) -> None:
    def files(folder: Path) -> set[str]:
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}

    assets = {f for f in files(ROOT / "assets") if not f.startswith("screenshots")}
    assert files(installed / "studio" / "assets") == assets
    assert files(installed / "studio" / "docs") == {"export.md", "glossary.md"}
    code = {f for f in files(ROOT / "studio") if f.endswith((".py", ".typed"))}
    assert {f for f in files(installed / "studio") if f.endswith((".py", ".typed"))} == code


def test_the_page_answers_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import studio.app; studio.app.main()"
    page = subprocess.Popen(
        [sys.executable, "-c", code, "--no-browser", "--port", str(port)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    try:
        ends, text = time.monotonic() + 200, ""
        while not text and time.monotonic() < ends:
            assert page.poll() is None, page.stdout.read() if page.stdout else ""
            time.sleep(0.3)
            with contextlib.suppress(OSError):
                text = urlopen(f"http://127.0.0.1:{port}/", timeout=60).read().decode()
        assert "CoFT Studio" in text
    finally:
        page.terminate()
        page.wait(30)


def test_the_commands_work_outside_of_the_checkout(
    installed: Path, tmp_path: Path, image_folder: Path
) -> None:
    (scripts,) = installed.glob("*.dist-info/entry_points.txt")
    commands = dict(re.findall(r"^([\w-]+) = (\S+)$", scripts.read_text(), re.MULTILINE))
    assert set(commands) == {"coft", "coft-studio"}
    for target in commands.values():
        module, function = target.split(":")
        code = f"import sys; sys.argv[1:] = ['--help']; import {module} as m; m.{function}()"
        assert "usage" in python(installed, tmp_path, "-c", code).stdout
    done = python(
        installed, tmp_path, "-m", "studio", "fit", str(image_folder), "--method", "zero-shot",
        "--runs", "runs", "--cache", "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "36 images" in done.stdout
