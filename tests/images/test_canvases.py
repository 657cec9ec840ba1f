from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from studio.errors import FolderError, Stopped
from studio.images import canvas_cache, canvas_summary, decoding_many, preparing
from studio.images import resize as resize_module
from studio.images.canvases import CANVAS_SIZE, Canvases
from studio.images.preparing import prepare
from studio.images.resize import Resize

SIZE = 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten images, each of one grey value of its own (20 x its number), and a broken one."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for number in range(10):
        add(folder / "sub" / f"{number}.png", number)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def add(path: Path, number: int) -> None:
    Image.new("RGB", (40, 30), (20 * number,) * 3).save(path)


def run(root: Path, **options) -> tuple[preparing.Folder, Canvases]:
    return prepare(root, cache_dir=root.parent / "cache", size=SIZE, **options)


def numbers(canvases: Canvases) -> list[int]:
    return [int(canvases.batch([i])[0, 0, 0, 0]) // 20 for i in range(len(canvases))]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded, in any order."""
    names: list[str] = []
    real = resize_module.decode

    def spy(path: Path, **options):
        names.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(resize_module, "decode", spy)
    return names


# --- what comes out ------------------------------------------------------------------------------


def test_images_and_canvases_are_in_the_same_order(root: Path):
    folder, canvases = run(root)
    assert [image.path for image in folder.images] == [f"sub/{n}.png" for n in range(10)]
    assert [(item.path, item.reason) for item in folder.refused] == [("broken.png", "not an image")]
    assert len(canvases) == 10
    assert canvases.on_disk
    assert numbers(canvases) == list(range(10))


def test_a_batch_is_a_contiguous_copy_in_the_order_asked_for(root: Path):
    _, canvases = run(root)
    batch = canvases.batch([7, 2, 7])
    assert batch.dtype == torch.uint8
    assert batch.shape == (3, 3, SIZE, SIZE)
    assert batch.is_contiguous()
    assert (batch[:, 0, 0, 0] // 20).tolist() == [7, 2, 7]
    batch.zero_()
    assert int(canvases.batch([7])[0, 0, 0, 0]) == 140


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, tuple])
def test_indices_of_any_kind(root: Path, kind):
    _, canvases = run(root)
    assert (canvases.batch(kind([1, 3]))[:, 0, 0, 0] // 20).tolist() == [1, 3]
    assert canvases.batch([]).shape == (0, 3, SIZE, SIZE)
    assert len(canvases.batch(range(4))) == 4
    with pytest.raises(IndexError):
        canvases.batch([10])


def test_the_middle_is_cut_out_upright_and_in_colour(tmp_path: Path):
    picture = Image.new("RGB", (300, 100), (255, 0, 0))  # red | blue over green | red
    picture.paste((0, 0, 255), (100, 0, 200, 50))
    picture.paste((0, 255, 0), (100, 50, 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    (tmp_path / "in").mkdir()
    picture.rotate(180).save(tmp_path / "in" / "a.jpg", exif=exif, quality=95, subsampling=0)
    _, canvases = prepare(tmp_path / "in", cache_dir=tmp_path / "cache", size=64)
    image = canvases.image(0)
    assert image.size == (64, 64)
    assert image.getpixel((32, 10))[2] > 230  # type: ignore[index]
    assert image.getpixel((32, 54))[1] > 230  # type: ignore[index]
    assert image.getpixel((2, 10))[2] > 150  # type: ignore[index]
    assert np.array_equal(np.asarray(image), canvases.batch([0])[0].permute(1, 2, 0).numpy())
    assert not image.getexif()


def test_a_squashed_image_is_all_there_and_has_a_cache_of_its_own(tmp_path: Path):
    picture = Image.new("RGB", (300, 100), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 60, 100))  # a fifth at the left: cutting would lose it
    (tmp_path / "in").mkdir()
    picture.save(tmp_path / "in" / "a.png")
    given = {"cache_dir": tmp_path / "cache", "size": 50}
    _, cut = prepare(tmp_path / "in", **given)
    _, whole = prepare(tmp_path / "in", resize=Resize("squash"), **given)
    _, again = prepare(tmp_path / "in", resize=Resize("squash"), **given)
    assert cut.image(0).getpixel((2, 25)) == (0, 0, 255)
    assert whole.image(0).getpixel((7, 25)) == (255, 0, 0)
    assert whole.image(0).getpixel((13, 25)) == (0, 0, 255)
    assert np.array_equal(whole.batch([0]), again.batch([0]))


def test_interpolation_is_as_asked(tmp_path: Path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8))
    (tmp_path / "in").mkdir()
    picture.save(tmp_path / "in" / "a.png")
    rgb = picture.convert("RGB")
    for name, method in (
        ("bicubic", Image.Resampling.BICUBIC),
        ("bilinear", Image.Resampling.BILINEAR),
    ):
        _, canvases = prepare(
            tmp_path / "in", cache_dir=tmp_path / "cache", size=45, resize=Resize("crop", name)
        )
        assert np.array_equal(
            np.asarray(canvases.image(0)), np.asarray(rgb.resize((45, 45), method))
        )


def test_reduction_is_antialiased(tmp_path: Path):
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255  # single pixels, black and white
    (tmp_path / "in").mkdir()
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "in" / "a.png")
    _, canvases = prepare(tmp_path / "in", cache_dir=tmp_path / "cache", size=32)
    assert canvases.batch([0]).float().sub(127.5).abs().max() < 3


def test_extreme_shapes_do_not_blow_up(tmp_path: Path):
    (tmp_path / "in").mkdir()
    Image.new("L", (1, 30_000), 200).save(tmp_path / "in" / "tall.png")
    Image.new("L", (30_000, 1), 200).save(tmp_path / "in" / "wide.png")
    Image.new("L", (1, 1), 200).save(tmp_path / "in" / "dot.png")
    _, canvases = prepare(tmp_path / "in", cache_dir=tmp_path / "cache", size=SIZE)
    assert (canvases.batch([0, 1, 2]) == 200).all()


# --- nothing is decoded twice --------------------------------------------------------------------


def test_a_second_call_decodes_nothing(root: Path, decoded: list[str]):
    first, before = run(root)
    assert len(decoded) == 11
    decoded.clear()
    second, after = run(root)
    assert decoded == []
    assert (second, second.fingerprint) == (first, first.fingerprint)
    assert torch.equal(before.batch(range(10)), after.batch(range(10)))


def test_only_new_and_changed_files_are_decoded(root: Path, decoded: list[str]):
    run(root)
    decoded.clear()
    add(root / "sub" / "3.png", 11)
    os.utime(root / "sub" / "3.png", ns=(7, 7))
    add(root / "new.png", 12)
    (root / "sub" / "5.png").unlink()
    folder, canvases = run(root)
    assert sorted(decoded) == ["3.png", "new.png"]
    assert folder.images[0].path == "new.png"
    assert numbers(canvases) == [12, 0, 1, 2, 11, 4, 6, 7, 8, 9]
    decoded.clear()
    assert numbers(run(root)[1]) == [12, 0, 1, 2, 11, 4, 6, 7, 8, 9]
    assert decoded == []


def test_a_mended_file_is_taken(root: Path, decoded: list[str]):
    run(root)
    add(root / "broken.png", 12)
    folder, canvases = run(root)
    assert not folder.refused
    assert numbers(canvases)[0] == 12


def test_a_moved_back_time_counts_as_a_change(root: Path, decoded: list[str]):
    run(root)
    decoded.clear()
    os.utime(root / "sub" / "1.png", ns=(1, 1))
    run(root)
    assert decoded == ["1.png"]


def test_what_was_unreadable_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch):
    real = resize_module.decode

    def locked(path: Path, **options):
        if path.name == "4.png":
            raise preparing.ImageRefused("unreadable", "Permission denied")
        return real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(resize_module, "decode", locked)
        folder, _ = run(root)
        assert ("sub/4.png", "unreadable") in [(r.path, r.reason) for r in folder.refused]
    assert numbers(run(root)[1]) == list(range(10))


def test_another_pillow_may_decode_what_this_one_refused(
    root: Path, decoded: list[str], monkeypatch
):
    run(root)
    decoded.clear()
    monkeypatch.setattr(PIL, "__version__", "99.0")
    run(root)
    assert decoded == ["broken.png"]


def test_no_file_of_an_image_that_is_known_is_opened(tmp_path: Path):
    root, opened, asked_for = tmp_path / "many", [], True
    sys.addaudithook(  # there is no way to take one off again
        lambda event, given: opened.append(given[0]) if asked_for and event == "open" else None
    )
    for part in range(10):
        (root / str(part)).mkdir(parents=True)
    first = root / "0" / "0.png"
    Image.new("L", (1, 1)).save(first)
    for number in range(1, 3_000):  # more than a shard holds
        os.link(first, root / str(number % 10) / f"{number}.png")
    prepare(root, cache_dir=tmp_path / "cache", size=2)
    opened.clear()
    folder, canvases = prepare(root, cache_dir=tmp_path / "cache", size=2)
    asked_for = False
    assert len(folder.images) == len(canvases) == 3_000
    mine = {Path(name) for name in opened if str(name).startswith(str(tmp_path))}
    assert sorted(file.suffix for file in mine) == ["", ".json", ".npy", ".npy"]  # root is the ""


# --- the cache -----------------------------------------------------------------------------------


def cache_files(root: Path) -> list[Path]:
    return sorted(path for path in (root.parent / "cache").rglob("*") if path.is_file())


def test_the_cache_holds_shards_and_an_index_and_no_pickle(root: Path, monkeypatch):
    monkeypatch.setattr(canvas_cache, "_SHARD_ROWS", 4)
    run(root)
    files = cache_files(root)
    assert Counter(path.suffix or path.name for path in files) == {".npy": 3, ".json": 1, "root": 1}
    rows = [len(np.load(path, allow_pickle=False)) for path in files if path.suffix == ".npy"]
    assert sorted(rows) == [2, 4, 4]
    assert numbers(run(root)[1]) == list(range(10))


@pytest.mark.skipif(os.name != "posix", reason="rights are shown otherwise")
def test_the_cache_is_the_users_own(root: Path):
    run(root)
    assert cache_files(root)[0].parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 99}', b"\xff\xfe",
     b'{"version": 1, "shards": [], "pillow": "x", "files": [["sub/0.png", 1, 1, 5, 0, "", ""]]}'],
)  # fmt: skip
def test_a_damaged_index_is_rebuilt(root: Path, damage: bytes):
    run(root)
    [index] = [path for path in cache_files(root) if path.suffix == ".json"]
    index.write_bytes(damage)
    assert numbers(run(root)[1]) == list(range(10))
    assert len(json.loads(index.read_text())["files"]) == 11


@pytest.mark.parametrize("damage", ["gone", "short", "empty", "pickle", "other size"])
def test_a_damaged_shard_is_rebuilt(root: Path, damage: str):
    run(root)
    [shard] = [path for path in cache_files(root) if path.suffix == ".npy"]
    if damage == "gone":
        shard.unlink()
    elif damage == "short":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "empty":
        shard.write_bytes(b"")
    elif damage == "pickle":
        np.save(shard, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        np.save(shard, np.zeros((10, 3, 8, 8), dtype=np.uint8))
    assert numbers(run(root)[1]) == list(range(10))


def test_an_image_that_is_added_costs_a_file_of_its_own(root: Path):
    """A million images are not written down again for each one."""
    run(root)
    before = {path: path.read_bytes() for path in cache_files(root)}
    add(root / "sub" / "late.png", 11)
    run(root)
    added = {path.suffix: path for path in cache_files(root) if path not in before}
    assert sorted(added) == [".json", ".npy"]
    assert len(json.loads(added[".json"].read_text())["files"]) == 1
    assert all(path.read_bytes() == held for path, held in before.items())
    assert numbers(run(root)[1]) == [*range(10), 11]


def test_many_parts_of_an_index_become_one(root: Path, decoded: list[str]):
    for number in range(40):
        add(root / "sub" / f"{number:02d}.png", number % 10)
        run(root)
    assert sum(path.suffix == ".json" for path in cache_files(root)) <= 34
    decoded.clear()
    assert len(run(root)[1]) == 50
    assert decoded == []


def test_a_damaged_part_costs_its_own_images_only(root: Path, decoded: list[str]):
    run(root)
    add(root / "sub" / "late.png", 11)
    run(root)
    [part] = [path for path in cache_files(root) if path.name.startswith("part-")]
    part.write_bytes(b"{")
    decoded.clear()
    assert numbers(run(root)[1]) == [*range(10), 11]
    assert decoded == ["late.png"]
    assert not part.exists()
    decoded.clear()
    run(root)
    assert decoded == []


def test_canvases_are_told_apart_by_what_they_show(root: Path):
    shutil.copy(root / "sub" / "3.png", root / "sub" / "again.png")
    _, canvases = run(root)
    assert len(set(canvases.contents)) == 10
    assert canvases.contents[3] == canvases.contents[10]
    assert run(root)[1].contents == canvases.contents
    assert canvases.some([2, 0]).contents == (canvases.contents[2], canvases.contents[0])


def test_a_folder_that_was_moved_is_known_again(root: Path, decoded: list[str]):
    _, before = run(root)
    moved = root.rename(root.parent / "renamed")
    decoded.clear()
    assert run(moved)[1].contents == before.contents
    assert len(decoded) <= 8, "no more than are compared"
    decoded.clear()
    run(moved)
    assert decoded == []
    again = moved.rename(root.parent / "renamed again")
    assert run(again)[1].contents == before.contents
    assert len(decoded) <= 8, "it was read anew when it was moved a second time"


@pytest.mark.parametrize("why", ["still there", "other pixels", "few are the same", "an upload"])
def test_what_only_looks_like_a_moved_folder_is_read_itself(
    root: Path, tmp_path: Path, decoded: list[str], why: str
):
    """The same path, size and time of change are not enough."""
    if why == "an upload":
        root = Path(shutil.move(root, tmp_path / "cache" / "uploads" / "x" / "pictures"))
    cache, copy = tmp_path / "cache", tmp_path / "copy"
    prepare(root, cache_dir=cache, size=SIZE)
    shutil.copytree(root, copy)
    if why == "other pixels":
        for number in range(10):
            file = copy / "sub" / f"{number}.png"
            status = file.stat()
            add(file, 9 - number)
            held = file.read_bytes()
            file.write_bytes(held + bytes(max(0, status.st_size - len(held))))
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    if why == "few are the same":
        for number in range(30):
            add(copy / f"more {number}.png", 1)
    if why != "still there":
        shutil.rmtree(root)
    decoded.clear()
    folder, canvases = prepare(copy, cache_dir=cache, size=SIZE)
    assert len(set(decoded)) >= len(folder.images)
    if why == "other pixels":
        assert numbers(canvases) == list(range(9, -1, -1))


def test_folders_and_sizes_do_not_mix(root: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    add(other / "sub.png", 12)
    assert numbers(run(root)[1]) == list(range(10))
    assert numbers(run(other)[1]) == [12]
    _, small = prepare(root, cache_dir=tmp_path / "cache", size=8)
    assert small.batch([0]).shape == (1, 3, 8, 8)
    assert numbers(run(root)[1]) == list(range(10))


def test_shards_of_forgotten_files_are_let_go(root: Path, monkeypatch):
    monkeypatch.setattr(canvas_cache, "_LEFTOVER_AFTER_S", -1.0)
    run(root)
    [old] = [path for path in cache_files(root) if path.suffix == ".npy"]
    for number in range(7):
        (root / "sub" / f"{number}.png").unlink()
    run(root)
    assert numbers(run(root)[1]) == [7, 8, 9]
    assert not old.exists()


def test_many_small_shards_are_merged(root: Path, monkeypatch):
    monkeypatch.setattr(canvas_cache, "_MOST_SMALL_SHARDS", 3)
    monkeypatch.setattr(canvas_cache, "_LEFTOVER_AFTER_S", -1.0)
    for number in range(6):
        add(root / f"{number}.png", number)
        run(root)
    assert numbers(run(root)[1]) == [0, 1, 2, 3, 4, 5, *range(10)]
    assert len([path for path in cache_files(root) if path.suffix == ".npy"]) <= 4


def test_young_leftovers_of_another_process_are_left_alone(root: Path):
    run(root)
    folder = cache_files(root)[0].parent
    (folder / "young.tmp").write_bytes(b"x")
    (folder / "old.tmp").write_bytes(b"x")
    os.utime(folder / "old.tmp", (1, 1))
    add(root / "new.png", 3)
    run(root)
    assert (folder / "young.tmp").exists()
    assert not (folder / "old.tmp").exists()


@pytest.mark.slow
def test_two_processes_do_not_spoil_each_other(root: Path):
    code = (
        "import sys; from pathlib import Path; from studio.images.preparing import prepare\n"
        "_, canvases = prepare(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]), size=16)\n"
        "print([int(canvases.batch([i])[0, 0, 0, 0]) // 20 for i in range(len(canvases))])"
    )
    command = [sys.executable, "-c", code, str(root), str(root.parent / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert outputs == [str(list(range(10)))] * 2
    assert numbers(run(root)[1]) == list(range(10))


def test_two_threads_share_the_work(root: Path, decoded: list[str]):
    results: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: results.append(numbers(run(root)[1]))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [list(range(10))] * 3
    assert len(decoded) == 11


# --- progress, stop, room ------------------------------------------------------------------------


def test_progress_counts_all_images_and_ends_with_the_last(root: Path, monkeypatch):
    monkeypatch.setattr(preparing, "_PROGRESS_EVERY_S", 0.0)
    calls: list[tuple[int, int]] = []
    run(root, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(n, 11) for n in range(1, 12)]
    calls.clear()
    run(root, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(11, 11)]


def test_a_stop_keeps_what_was_decoded(root: Path, decoded: list[str], monkeypatch):
    monkeypatch.setattr(decoding_many, "workers", lambda: 1)
    done = 0

    def progress(count: int, total: int) -> None:
        nonlocal done
        done = count

    monkeypatch.setattr(preparing, "_PROGRESS_EVERY_S", 0.0)
    with pytest.raises(Stopped):
        run(root, progress=progress, stop=lambda: done >= 3)
    assert 3 <= done < 11
    decoded.clear()
    assert numbers(run(root)[1]) == list(range(10))
    assert len(decoded) == 11 - done


def test_without_room_on_the_disk_images_are_decoded_when_needed(
    root: Path, decoded: list[str], monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(canvas_cache, "_DISK_SHARE", 0.0)
        folder, canvases = run(root)
        assert not canvases.on_disk
        assert len(folder.images) == 10
        assert [path.name for path in cache_files(root)] == ["index.json", "root"]
        assert numbers(canvases) == list(range(10))
        assert (canvases.batch([9, 1, 5])[:, 0, 0, 0] // 20).tolist() == [9, 1, 5]
        decoded.clear()
        run(root)
        assert decoded == []  # what is usable is known, even without canvases
        (root / "sub" / "0.png").unlink()
        with pytest.raises(FolderError, match=r"0\.png"):
            canvases.batch([0])
    assert numbers(run(root)[1]) == list(range(1, 10))  # room again
    assert run(root)[1].on_disk


def test_a_disk_that_fills_up_is_survived(root: Path, monkeypatch):
    real = canvas_cache.Writer.append

    def full(self, canvas):
        if self.rows >= 4:
            raise OSError(28, "No space left on device")
        return real(self, canvas)

    with monkeypatch.context() as patch:
        patch.setattr(canvas_cache.Writer, "append", full)
        folder, canvases = run(root)
        assert len(folder.images) == 10
        assert not canvases.on_disk
        assert numbers(canvases) == list(range(10))
    folder, canvases = run(root)
    assert canvases.on_disk
    assert numbers(canvases) == list(range(10))


# --- refusals ------------------------------------------------------------------------------------


def test_no_usable_image_says_what_was_refused(tmp_path: Path):
    (tmp_path / "in").mkdir()
    with pytest.raises(FolderError, match="no image"):
        prepare(tmp_path / "in", cache_dir=tmp_path / "cache")
    (tmp_path / "in" / "a.png").write_bytes(b"x")
    (tmp_path / "in" / "b.txt").write_bytes(b"x")
    with pytest.raises(FolderError, match=r"1 image, not an image\."):
        prepare(tmp_path / "in", cache_dir=tmp_path / "cache")
    (tmp_path / "in" / "c.png").symlink_to("/dev/null")
    with pytest.raises(FolderError, match="2 images, 1 links out of the folder, 1 not an image;"):
        prepare(tmp_path / "in", cache_dir=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_costs_time_only(root: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    notes: list[str] = []
    folder, canvases = prepare(root, cache_dir=tmp_path / "file", note=notes.append)
    right = prepare(root, cache_dir=tmp_path / "cache", note=notes.append)
    assert notes == [canvases.note]
    assert "decoded anew" in canvases.note
    assert str(tmp_path / "file") in canvases.note
    assert (canvases.on_disk, right[1].on_disk, right[1].note) == (False, True, "")
    assert folder.images == right[0].images
    every = range(len(folder.images))
    assert torch.equal(canvases.batch(every), right[1].batch(every))


def test_a_file_that_vanishes_while_it_is_read_is_refused(root: Path, monkeypatch):
    real = resize_module.decode

    def vanish(path: Path, **options):
        if path.name == "6.png":
            path.unlink()
        return real(path, **options)

    monkeypatch.setattr(resize_module, "decode", vanish)
    folder, canvases = run(root)
    assert ("sub/6.png", "unreadable") in [(r.path, r.reason) for r in folder.refused]
    assert numbers(canvases) == [0, 1, 2, 3, 4, 5, 7, 8, 9]


# --- the awkward files ---------------------------------------------------------------------------

# Fuzzed TIFFs that Pillow 13 (the manifest's) decodes and Pillow 12 does not; gradio needs < 13.
NEED_PILLOW_13 = {
    "odd_modes/crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif",
    "odd_modes/crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif",
}

SPOT_CHECKS = {
    "undecodable/truncated_image.png": "truncated",
    "undecodable/truncated_jpeg.jpg": "truncated",
    "undecodable/truncated_end_chunk.png": "truncated",
    "undecodable/bmp__b__shortfile.bmp": "truncated",
    "undecodable/bmp__b__reallybig.bmp": "too large",
    "undecodable/bmp__b__badwidth.bmp": "too large",
    "undecodable/decompression_bomb.gif": "too large",
    "undecodable/png_decompression_dos.png": "too large",
    "undecodable/l2rgb_read.bmp": "too large",
    "undecodable/broken.png": "corrupt",
    "undecodable/broken_data_stream.png": "corrupt",
    "undecodable/bmp__q__pal8oversizepal.bmp": "corrupt",
    "undecodable/crash-2020-10-test.tif": "corrupt",
    "not_images/empty.jpg": "not an image",
    "not_images/text.jpg": "not an image",
}
# What is no image at all is passed over, not refused.
PASSED_OVER = {"Thumbs.db", "notes.txt", "Abyssinian_101.mat", ".hidden.jpg"}


def test_every_awkward_file_gets_the_verdict_of_its_manifest(shared_data: Path, tmp_path: Path):
    root = shared_data / "awkward_files"
    folder, canvases = prepare(root, cache_dir=tmp_path)
    accepted = {image.path for image in folder.images}
    refused = {item.path: item.reason for item in folder.refused}
    with open(root / "MANIFEST.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 117
    for row in rows:
        name = row["file"]
        if name in NEED_PILLOW_13 and int(PIL.__version__.split(".")[0]) < 13:
            assert refused[name] == "corrupt"
        elif name.startswith(("undecodable/", "not_images/")):
            assert name not in accepted, name
            assert (name in refused) != (Path(name).name in PASSED_OVER), name
        else:
            assert name in accepted, (name, refused.get(name))
    assert {name: refused.get(name) for name in SPOT_CHECKS} == SPOT_CHECKS
    every = canvases.batch(range(len(canvases)))
    assert every.shape == (len(accepted), 3, CANVAS_SIZE, CANVAS_SIZE)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_the_rotated_hoppers_all_stand_upright(shared_data: Path, tmp_path: Path, suffix: str):
    for number in range(2, 9):
        (tmp_path / "in").mkdir(exist_ok=True)
        name = f"hopper_orientation_{number}.{suffix}"
        shutil.copy(shared_data / "awkward_files" / "exif_rotated" / name, tmp_path / "in" / name)
    _, canvases = prepare(tmp_path / "in", cache_dir=tmp_path / "cache", size=64)
    every = canvases.batch(range(7)).float()
    assert (every - every[0]).abs().mean() < 6  # compression apart they are one picture


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_awkward_files_do_not_fill_the_memory(shared_data: Path, tmp_path: Path):
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from studio.images.preparing import prepare\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n"
        "prepare(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]))\n"
        "print(peak() - before)"
    )
    root = shared_data / "awkward_files"
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 250  # MiB; 80 on two cores: the largest file has 15 million pixels


def test_a_large_folder_that_has_not_changed_is_known_from_one_array(
    root: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (preparing, canvas_summary):
        monkeypatch.setattr(module, "FEWEST", 3)
    before, canvases = run(root)
    decoded.clear()
    monkeypatch.setattr(preparing, "_outcome", pytest.fail)  # the index is not asked
    folder, again = run(root)
    assert not decoded
    assert folder == before
    assert [item.path for item in folder.refused] == ["broken.png"]
    assert (again.contents, again.on_disk) == (canvases.contents, True)
    assert numbers(again) == numbers(canvases) == list(range(10))
    assert numbers(again.some([4, 2])) == [4, 2]


def test_what_has_changed_in_a_large_folder_is_found(
    root: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (preparing, canvas_summary):
        monkeypatch.setattr(module, "FEWEST", 3)
    run(root)
    decoded.clear()
    add(root / "sub" / "5.png", 7)
    assert numbers(run(root)[1])[5] == 7
    assert decoded == ["5.png"]
    assert numbers(run(root)[1])[5] == 7
    for shard in (root.parent / "cache" / "canvases").glob("*/*.npy"):
        if not shard.name.startswith("summary-"):
            shard.unlink()
    decoded.clear()
    assert numbers(run(root)[1])[:5] == [0, 1, 2, 3, 4]
    assert len(decoded) == 10
    (summary,) = (root.parent / "cache" / "canvases").glob("*/summary.json")
    for text in ("", "{}", '{"version": 1, "pillow": 3}', "[1]"):
        summary.write_text(text)
        assert len(run(root)[1]) == 10
