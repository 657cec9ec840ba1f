from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from studio.cache_folder import KEPT, UNUSED_DAYS, clear, parse_size, sizes, tidy, touch, trim
from studio.cli import main
from studio.errors import SettingsError

FILES = {
    "canvases/aa/x.npy": 400, "canvases/aa/index.json": 100, "canvases/bb/x.npy": 300,
    "features/m1/a.safetensors": 200, "features/m1/b.safetensors": 100,
    "nouns/n.safetensors": 50, "thumbs/ab/c.jpg": 30, "maps/k.npy": 20, "answers/cache.db": 10,
    "exports/e/labels.csv": 5, "demo-3/cat/1.jpg": 40,
    "uploads/u/1.jpg": 7, "corrections/k/corrections.jsonl": 3, "workspace.json": 2,
    "folders.json": 1, "secret": 64,
}  # fmt: skip
MINE = 7 + 3 + 2 + 1 + 64


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for number, (name, bytes_) in enumerate(FILES.items()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(bytes_))
        os.utime(path, (1e9 + number,) * 2)
    for folder in tmp_path.glob("*/*"):
        if folder.is_dir():
            os.utime(folder, (1e9,) * 2)
    os.utime(tmp_path / "answers", (1e9,) * 2)
    os.utime(tmp_path / "demo-3", (1e9 + 50,) * 2)
    return tmp_path


def there(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def test_every_part_is_measured_once(cache: Path):
    found = sizes(cache)
    assert sum(found.values()) == sum(FILES.values())
    assert (found["decoded images"], found["features of images"]) == (800, 300)
    assert sizes(cache / "missing") == dict.fromkeys(found, 0)


def test_what_people_gave_stays_when_the_cache_is_emptied(cache: Path):
    assert clear(cache) == sum(FILES.values()) - MINE
    assert there(cache) == {name for name in FILES if name.split("/")[0] in KEPT}


def test_what_was_not_used_for_longest_goes_first(cache: Path):
    touch(cache / "canvases" / "aa" / "index.json")  # the oldest by far, but used now
    whole = sum(FILES.values()) - MINE
    assert trim(cache, whole) == 0
    assert trim(cache, whole - 400) == 500
    left = there(cache)
    assert "canvases/aa/x.npy" in left, "it lies beside what was used"
    assert not left & {"canvases/bb/x.npy", "features/m1/a.safetensors"}
    assert "features/m1/b.safetensors" in left
    assert trim(cache, 0) == whole - 500
    assert there(cache) == {name for name in FILES if name.split("/")[0] in KEPT}


def test_old_features_and_leftovers_go_at_the_start(cache: Path):
    new = time.time() - (UNUSED_DAYS - 1) * 86400
    os.utime(cache / "features/m1/b.safetensors", (new, new))
    leftovers = [
        "features/m1/.a.x.tmp", "canvases/bb/q.tmp", ".demo-1/cat.jpg", "maps/umap-1/f.npy",
    ]  # fmt: skip
    for name in leftovers:
        (cache / name).parent.mkdir(exist_ok=True)
        (cache / name).write_bytes(b"x")
        os.utime(cache / name, (1e9,) * 2)
        os.utime((cache / name).parent, (1e9,) * 2)
    assert tidy(cache) == len(leftovers) + 1
    assert there(cache) == set(FILES) - {"features/m1/a.safetensors"}


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("20GB", 20 * 10**9), ("500 MB", 5 * 10**8), ("1.5g", 15 * 10**8), ("0", 0), ("7b", 7)],
)
def test_sizes_are_read_as_people_write_them(text: str, bytes_: int):
    assert parse_size(text) == bytes_


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "20 pounds", "1e9", "nan", "20GB20"])
def test_what_is_no_size_is_said(text: str):
    with pytest.raises(SettingsError, match="is no size"):
        parse_size(text)


def test_the_command_says_what_there_is_and_lets_go_of_it(
    cache: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["cache", "--cache", str(cache)]) == 0
    assert "decoded images" in capsys.readouterr().out
    assert main(["cache", "--cache", str(cache), "--limit", "700"]) == 0
    assert sum(sizes(cache).values()) <= 700 + MINE
    assert "given back" in capsys.readouterr().out
    assert main(["cache", "--cache", str(cache), "--clear"]) == 0
    assert sum(sizes(cache).values()) == MINE
    assert main(["cache", "--cache", str(cache), "--limit", "many"]) == 2
