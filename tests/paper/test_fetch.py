"""Downloads over real HTTP, from a server that does everything wrong."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.paper import fetch as fetching
from studio.paper.fetch import DownloadError, check, fetch
from studio.paper.model import Download

CONTENT = bytes(range(256)) * 20_000  # 5 MB, more than a socket holds


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)


def quiet(_done: int, _total: int) -> None:
    pass


def test_a_file_is_fetched_once_and_progress_counts_its_bytes(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    told: list[tuple[int, int]] = []
    file = download(CONTENT)
    path = fetch(file, folder, progress=lambda done, total: told.append((done, total)))
    assert path == folder / "thing.zip"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(file, folder, progress=quiet) == path
    assert len(site.asked) == 1
    assert [p.name for p in folder.iterdir()] == ["thing.zip"]


def test_what_is_broken_off_goes_on_where_it_was(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    site.cut["thing.zip"] = 2_000_000
    path = fetch(download(CONTENT), folder, progress=quiet)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in site.asked] == ["", "bytes=2000000-", "bytes=4000000-"]
    assert site.sent == len(CONTENT)


def test_a_killed_process_is_no_loss(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    site.cut["thing.zip"] = 3_000_000
    file = download(CONTENT)
    code = (
        "import sys; from pathlib import Path; from studio.paper import fetch, model\n"
        "fetch.PAUSE_S = 60\n"
        f"fetch.fetch(model.Download('thing.zip', {file.url!r}), Path({str(folder)!r}), "
        "progress=lambda done, total: print(done, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        for line in other.stdout:
            if int(line) == 3_000_000:
                break
        time.sleep(0.1)
        other.kill()
    site.cut.clear()
    assert fetch(file, folder, progress=quiet).read_bytes() == CONTENT
    assert site.asked[-1] == ("thing.zip", "bytes=3000000-")
    assert site.sent == len(CONTENT)


def test_a_file_that_has_changed_meanwhile_begins_anew(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    site.cut["thing.zip"] = 1_000_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "TRIES", 1)
        with pytest.raises(DownloadError, match="broken off"):
            fetch(download(CONTENT), folder, progress=quiet)
    site.cut.clear()
    other = CONTENT[::-1]
    assert fetch(download(other), folder, progress=quiet).read_bytes() == other


def test_a_shorter_file_than_what_has_arrived_begins_anew(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    file = download(b"short")
    folder.mkdir()
    (folder / ".thing.zip.part").write_bytes(b"long enough")
    tag = f'"{hashlib.md5(b"short").hexdigest()}"'
    fetching.write_json(folder / ".thing.zip.part.json", {"url": file.url, "tag": tag})
    assert fetch(file, folder, progress=quiet).read_bytes() == b"short"
    assert len(site.asked) == 2


def test_a_server_without_ranges_sends_it_all_again(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    site.ranges = False
    site.cut["thing.zip"] = 2_000_000
    file = download(CONTENT)

    def whole_now(done: int, _total: int) -> None:
        if done == 2_000_000:
            site.cut.clear()

    assert fetch(file, folder, progress=whole_now).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_a_connection_that_brings_nothing_is_given_up(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    file = download(CONTENT)
    site.cut["thing.zip"] = 1_500_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "TRIES", 1)
        with pytest.raises(DownloadError, match="broken off"):
            fetch(file, folder, progress=quiet)
    asked = len(site.asked)
    site.cut["thing.zip"] = 0
    with pytest.raises(DownloadError, match=r"after 1,500,000 bytes .* it goes on there"):
        fetch(file, folder, progress=quiet)
    assert len(site.asked) == asked + fetching.TRIES
    assert (folder / ".thing.zip.part").stat().st_size == 1_500_000


def test_a_wrong_checksum_is_told_and_nothing_is_kept(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    file = download(CONTENT)
    site.files["thing.zip"] = CONTENT[:-1] + b"x"
    with pytest.raises(DownloadError, match="another checksum than the published file") as told:
        fetch(file, folder, progress=quiet)
    assert f"by hand from http://page and put it at {folder / 'thing.zip'}" in str(told.value)
    assert list(folder.iterdir()) == []


def test_a_file_brought_by_hand_is_checked_too(
    download: Callable[..., Download], folder: Path
) -> None:
    folder.mkdir()
    (folder / "thing.zip").write_bytes(b"something else")
    with pytest.raises(DownloadError, match=r"thing\.zip has another checksum .* delete it"):
        fetch(download(CONTENT), folder, progress=quiet)
    assert (folder / "thing.zip").read_bytes() == b"something else"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, "is gone (status 404); download it by hand from http://page and put it at "),
        (403, "is refused (status 403); download it by hand from http://page and put it at "),
        (429, "has had too many requests (status 429); try again in an hour"),
        (503, "has an error of its own (status 503); try again later"),
    ],
)
def test_a_refusal_says_what_it_is_and_what_to_do(
    site: Any, download: Callable[..., Download], folder: Path, status: int, told: str
) -> None:
    file = download(CONTENT)
    site.status["thing.zip"] = status
    with pytest.raises(DownloadError, match=re.escape(told)):
        fetch(file, folder, progress=quiet)
    assert len(site.asked) == 1


def test_a_web_page_is_no_archive(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    site.page.add("thing.zip")
    with pytest.raises(
        DownloadError, match=r"web page instead of thing\.zip, as Google Drive does"
    ):
        fetch(download(CONTENT), folder, progress=quiet)
    assert list(folder.iterdir()) == []


def test_a_host_that_cannot_be_reached(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = Download("thing.zip", f"http://127.0.0.1:{port}/thing.zip")
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1:{port} cannot be reached \(.*refused"):
        fetch(file, folder, progress=quiet)


def test_a_host_that_never_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        file = Download("thing.zip", f"http://127.0.0.1:{silent.getsockname()[1]}/thing.zip")
        with pytest.raises(DownloadError, match=r"cannot be reached \(timed out\)"):
            fetch(file, folder, progress=quiet)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up(download: Callable[..., Download], folder: Path) -> None:
    folder.mkdir()
    (folder / ".thing.zip.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"disk of .* is full: thing\.zip needs 5\.1 MB more"):
        fetch(download(CONTENT), folder, progress=quiet)


def test_a_disk_without_room_is_told_before_anything_is_written(
    site: Any, download: Callable[..., Download], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=4_000_000))
    with pytest.raises(DownloadError, match=r"needs 5\.1 MB more.*--data"):
        fetch(download(CONTENT), folder, progress=quiet)
    assert not (folder / ".thing.zip.part").exists()


def test_what_nobody_serves_has_to_be_brought(folder: Path) -> None:
    file = Download("cars.zip", page="http://kaggle")
    with pytest.raises(DownloadError, match="by hand from http://kaggle and put it at") as told:
        fetch(file, folder, progress=quiet)
    assert str(folder / "cars.zip") in str(told.value)


def test_checksums_of_three_kinds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    for known in (
        "md5:b1946ac92492d2347c6235b4d2611184",
        "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        "git:ce013625030ba8dba906f756967f9e9ca394464a",  # as `git hash-object` says
        "",
    ):
        assert check(Download("file", checksum=known), path)
        if known:
            assert not check(Download("file", checksum=known[:-1] + "0"), path)


def test_a_process_killed_at_the_very_end_is_no_loss_either(
    site: Any, download: Callable[..., Download], folder: Path
) -> None:
    folder.mkdir()
    (folder / ".thing.zip.part").write_bytes(CONTENT)
    assert fetch(download(CONTENT), folder, progress=quiet).read_bytes() == CONTENT
    assert site.asked == []
    assert [path.name for path in folder.iterdir()] == ["thing.zip"]
