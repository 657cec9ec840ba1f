from __future__ import annotations

import os
import time
from pathlib import Path

from PIL import Image

from studio.images import canvases
from studio.images.folder import ImageRefused
from studio.images.thumbnails import LARGE_SIDE, THUMBNAIL_SIDE, Thumbnails


class Canvases:
    def __init__(self) -> None:
        self.asked = 0

    def image(self, index: int) -> Image.Image:
        self.asked += 1
        if index == 9:
            raise ImageRefused("corrupt", "gone")
        return Image.new("RGB", (256, 256), (index, 90, 200))


def test_thumbnails_are_small_and_made_once(tmp_path: Path) -> None:
    thumbnails, pictures = Thumbnails(cache_dir=tmp_path), Canvases()
    file = thumbnails.thumbnail(pictures, 3, key="a")
    assert file is not None
    assert Image.open(file).size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    assert file.stat().st_size < 30_000
    assert thumbnails.thumbnail(pictures, 3, key="a") == file
    assert pictures.asked == 1
    assert thumbnails.thumbnail(pictures, 3, key="b") != file


def test_a_picture_that_is_gone_has_no_thumbnail(tmp_path: Path) -> None:
    thumbnails = Thumbnails(cache_dir=tmp_path)
    assert thumbnails.thumbnail(Canvases(), 9, key="a") is None
    assert thumbnails.large(tmp_path / "no.jpg", key="a") is None
    # Of a folder whose canvases the disk has no room for, each is read from its file.
    gone = canvases.Canvases(size=8, files=[tmp_path / "no.jpg"], places=[None])
    assert thumbnails.thumbnail(gone, 0, key="c") is None


def test_a_large_view_shows_the_whole_image_without_metadata(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010F] = "SECRET CAMERA"
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825)[1] = "N"
    noise = Image.effect_noise((3000, 1500), 40).convert("RGB")
    noise.save(photo, exif=exif, comment=b"SECRET COMMENT")
    file = Thumbnails(cache_dir=tmp_path / "cache").large(photo, key="a")
    assert file is not None
    large = Image.open(file)
    assert large.size == (LARGE_SIDE // 2, LARGE_SIDE)
    assert not large.getexif()
    assert b"SECRET" in photo.read_bytes()
    assert b"SECRET" not in file.read_bytes()


def test_names_cannot_be_guessed_and_the_key_is_not_served(tmp_path: Path) -> None:
    names = set()
    for cache in (tmp_path / "one", tmp_path / "two"):
        thumbnails = Thumbnails(cache_dir=cache)
        file = thumbnails.thumbnail(Canvases(), 3, key="a")
        assert file is not None
        names.add(file.name)
        assert file.is_relative_to(thumbnails.folder)
        key = cache / "secret"
        assert not key.is_relative_to(thumbnails.folder)
        assert key.stat().st_mode & 0o077 == 0
        again = Thumbnails(cache_dir=cache).thumbnail(Canvases(), 3, key="a")
        assert again == file
    assert len(names) == 2


def test_old_pictures_are_forgotten(tmp_path: Path) -> None:
    thumbnails = Thumbnails(cache_dir=tmp_path)
    old = thumbnails.thumbnail(Canvases(), 1, key="a")
    new = thumbnails.thumbnail(Canvases(), 1, key="b")
    assert old is not None
    assert new is not None
    os.utime(old, (time.time() - 60 * 86400,) * 2)
    Thumbnails(cache_dir=tmp_path)
    assert not old.exists()
    assert new.exists()
