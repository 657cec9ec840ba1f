"""Canvases of large folders are compressed. Here a folder is large from six images on."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from studio.images import canvas_cache, canvas_shards, canvas_summary, preparing, resize
from studio.images.canvas_shards import CompressedShard, compressed, decompressed, open_shard
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.images.preparing import prepare
from studio.untrusted import Unreadable

SIZE = 64


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas_shards, "LARGE", 5 * 3 * SIZE**2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten pictures with soft shapes, each with another one of their own."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        add(folder, number)
    return folder


def add(folder: Path, number: int) -> None:
    noise = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((90, 80), Image.Resampling.BICUBIC)
    picture.save(folder / f"{number:02d}.png")


def run(root: Path) -> tuple[Folder, Canvases]:
    return prepare(root, cache_dir=root.parent / "cache", size=SIZE)


def shards(root: Path) -> list[Path]:
    found = (root.parent / "cache" / "canvases").glob("*/*.npy")
    return [path for path in found if not path.name.startswith("summary-")]


def exact(root: Path) -> torch.Tensor:
    files = sorted(root.glob("*.png"))
    return torch.stack([torch.from_numpy(resize.square(file, size=SIZE)) for file in files])


def apart(canvases: Canvases, root: Path) -> torch.Tensor:
    """(N,) mean difference of each canvas from the pixels of its file."""
    held = canvases.batch(range(len(canvases)))
    return (held.float() - exact(root).float()).abs().mean((1, 2, 3))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    real = resize.decode

    def spy(path: Path, **options):
        names.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(resize, "decode", spy)
    return names


def test_a_large_folder_takes_a_small_part_of_its_pixels(root: Path, decoded: list[str]) -> None:
    folder, made = run(root)
    assert made.on_disk
    assert sum(path.stat().st_size for path in shards(root)) < 0.4 * 10 * SIZE**2
    assert 0 < apart(made, root).max() < 2
    decoded.clear()
    again = run(root)
    assert not decoded
    assert again[0] == folder
    every = made.batch(range(10))
    assert torch.equal(again[1].batch(range(10)), every)
    assert torch.equal(made.batch([7, 2, 7]), every[[7, 2, 7]])
    assert torch.equal(made.batch([3]), every[[3]])
    assert np.array_equal(np.asarray(made.image(4)), every[4].permute(1, 2, 0).numpy())
    assert every.is_contiguous()


def test_a_small_folder_is_kept_as_it_is(root: Path) -> None:
    for number in range(5, 10):
        (root / f"{number:02d}.png").unlink()
    _, made = run(root)
    assert not apart(made, root).any()


def test_a_folder_that_becomes_large_keeps_what_it_has(root: Path, decoded: list[str]) -> None:
    """So are caches of versions that compressed nothing."""
    later = root.parent / "later"
    later.mkdir()
    for number in range(4, 10):
        shutil.move(root / f"{number:02d}.png", later)
    run(root)
    [old] = shards(root)
    before = old.read_bytes()
    for file in later.iterdir():
        shutil.move(file, root)
    decoded.clear()
    _, made = run(root)
    assert len(decoded) == 6
    assert old.read_bytes() == before
    difference = apart(made, root)
    assert not difference[:4].any()
    assert (difference[4:] > 0).all()
    assert len(shards(root)) == 2


def test_what_an_image_is_known_by_is_what_is_kept(root: Path) -> None:
    """The features of a picture that lost some detail are not those of the picture."""
    shutil.copy(root / "03.png", root / "03 again.png")
    _, made = run(root)
    assert made.contents[3] == made.contents[4]
    assert len(set(made.contents)) == 10
    alone = root.parent / "alone"
    alone.mkdir()
    shutil.copy(root / "03.png", alone)
    assert run(alone)[1].contents[0] not in made.contents


def test_a_large_folder_that_was_moved_is_known_again(root: Path, decoded: list[str]) -> None:
    _, before = run(root)
    moved = root.rename(root.parent / "renamed")
    decoded.clear()
    assert run(moved)[1].contents == before.contents
    assert len(decoded) <= 8
    gone = moved.rename(root.parent / "once more")
    for number, file in enumerate(sorted(gone.glob("*.png"))):  # other pictures, said to be those
        status, length = file.stat(), len(file.read_bytes())
        add(gone, number)
        Image.open(file).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file)
        held = file.read_bytes()[:length]
        file.write_bytes(held + bytes(length - len(held)))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run(gone)[1].contents != before.contents


def test_a_large_folder_is_known_from_one_array(root: Path, monkeypatch, decoded) -> None:
    for module in (preparing, canvas_summary):
        monkeypatch.setattr(module, "FEWEST", 3)
    _, made = run(root)
    monkeypatch.setattr(preparing, "_outcome", pytest.fail)
    decoded.clear()
    _, again = run(root)
    assert torch.equal(again.batch(range(10)), made.batch(range(10)))
    assert not decoded


@pytest.mark.parametrize("damage", ["short", "long", "count", "negative", "starts", "empty"])
def test_a_damaged_shard_is_made_anew(root: Path, decoded: list[str], damage: str) -> None:
    before = run(root)[1].batch(range(10))
    [shard] = shards(root)
    held = np.load(shard)
    tail = held[-96:].copy().view("<i8")  # eleven starts, and how many
    assert tail[-1] == 10
    if damage == "count":
        tail[-1] = 2**60
    elif damage == "negative":
        tail[-1] = -3
    elif damage == "starts":
        tail[3] = tail[4]
    np.save(shard, np.concatenate([held[:-96], tail.view(np.uint8)]))
    if damage in ("short", "long"):
        data = shard.read_bytes()
        shard.write_bytes(data[:-100] if damage == "short" else data[:-8] + bytes(8))
    if damage == "empty":
        np.save(shard, np.zeros(0, np.uint8))
    decoded.clear()
    assert open_shard(shard, size=SIZE) is None
    assert torch.equal(run(root)[1].batch(range(10)), before)
    assert len(decoded) == 10


def test_a_damaged_picture_is_read_from_its_file(root: Path, decoded: list[str]) -> None:
    run(root)
    [shard] = shards(root)
    held = np.load(shard)
    starts = held[-96:-8].copy().view("<i8")
    held[starts[6] : starts[7]] = 0
    np.save(shard, held)
    decoded.clear()
    _, made = run(root)
    assert not decoded
    difference = apart(made, root)
    assert decoded.count("06.png") == 2  # by the canvas, and by `apart`
    assert difference[6] == 0
    assert difference.max() < 2
    shown = open_shard(shard, size=SIZE)
    assert isinstance(shown, CompressedShard)
    with pytest.raises(Unreadable):
        shown[6]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", compressed(np.zeros((3, 8, 8), np.uint8))],
    ids=["nothing", "a beginning", "another size"],
)
def test_what_is_no_canvas_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decompressed(data, size=SIZE)


def test_what_is_kept_is_close_to_the_pixels(root: Path) -> None:
    pixels = exact(root).numpy()
    for canvas in pixels:
        back = decompressed(compressed(canvas), size=SIZE)
        assert back.flags["C_CONTIGUOUS"]
        assert np.abs(back.astype(int) - canvas).mean() < 2


def test_room_is_asked_for_what_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    free = int(2 * 10 * SIZE**2 * 0.4) + 1  # of which half may be used: a seventh of the pixels
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free, 0, free))
    assert run(root)[1].on_disk
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free - 100))
    cache = root.parent / "other"
    _, made = prepare(root, cache_dir=cache, size=SIZE)
    assert not made.on_disk
    assert "takes 16 kB" in made.note
    assert not apart(made, root).any()


def test_a_disk_that_fills_up_is_survived(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = canvas_shards.Writer.append

    def full(self, canvas):
        if self.rows >= 4:
            raise OSError(28, "No space left on device")
        return real(self, canvas)

    with monkeypatch.context() as patch:
        patch.setattr(canvas_shards.Writer, "append", full)
        _, made = run(root)
        assert not made.on_disk
        difference = apart(made, root)
        assert (difference[:4] > 0).all()
        assert not difference[4:].any()
    _, made = run(root)
    assert made.on_disk
    assert (apart(made, root) > 0).all()


@pytest.mark.parametrize("when", ["as the last bytes are written", "later"])
def test_an_image_whose_canvas_is_lost_is_known_by_its_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It shows other pixels than the canvas did, so it must not be taken for that."""
    with monkeypatch.context() as patch:
        if when == "later":
            run(root)
            [shard] = shards(root)
            shard.unlink()
            patch.setattr(canvas_cache, "free_bytes", lambda _: 0)
        else:
            patch.setattr(canvas_shards, "open_shard", lambda *_, **__: None)
        _, made = run(root)
        assert not made.on_disk
        assert not apart(made, root).any()
        assert set(made.contents) == {""}
    assert "" not in run(root)[1].contents


def test_ten_thousand_images_are_kept_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    limit = canvas_shards.LARGE
    assert not canvas_shards.compresses(limit // (3 * 224**2), size=224)
    assert canvas_shards.compresses(limit // (3 * 224**2) + 1, size=224)
    assert 9_900 < limit / (3 * 224**2) < 10_000
    assert canvas_shards.bytes_of(1_000, size=224, compressed=True) < 20_100_000
