from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from studio.images import kinds, opening
from studio.images.decoding import ImageRefused, decode

RED, GREEN = (250, 10, 10), (10, 250, 10)
MIB = 1 << 20


def two_halves(size: tuple[int, int] = (400, 300)) -> Image.Image:
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2, 0, *size))
    return image


def reason(path: Path, **options: int) -> tuple[str, str]:
    with pytest.raises(ImageRefused) as caught:
        decode(path, **options)
    return caught.value.reason, caught.value.detail


def colours(image: Image.Image) -> list[str]:
    """What the left and the right half show."""
    row = [image.getpixel((x, image.height // 2)) for x in (2, image.width - 3)]
    return ["red" if pixel[0] > pixel[1] else "green" for pixel in row]


# --- JPEG at a part of its size ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_pixels", "size"), [(120_000, (400, 300)), (60_000, (200, 150)), (20_100, (100, 75))]
)
def test_a_large_photo_is_decoded_as_large_as_allowed(
    tmp_path: Path, max_pixels: int, size: tuple[int, int]
):
    two_halves().save(tmp_path / "a.jpg")
    image = decode(tmp_path / "a.jpg", max_pixels=max_pixels)
    assert image.size == size
    assert colours(image) == ["red", "green"]


def test_pillows_own_limit_is_not_that_of_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    two_halves().save(tmp_path / "a.jpg")
    two_halves().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # an error from 2000 on
    assert decode(tmp_path / "a.jpg", at_least=40).size == (100, 75)
    assert reason(tmp_path / "a.png")[0] == "too large"


def test_six_times_as_much_is_too_large_even_for_a_photo(tmp_path: Path):
    two_halves().save(tmp_path / "a.jpg")
    assert decode(tmp_path / "a.jpg", max_pixels=20_000).width == 100
    assert reason(tmp_path / "a.jpg", max_pixels=19_999) == ("too large", "400 x 300 pixels")


def test_what_is_held_whole_counts_whole(tmp_path: Path):
    two_halves().save(tmp_path / "a.jpg", progressive=True)
    assert decode(tmp_path / "a.jpg", max_pixels=48_000).size == (200, 150)
    assert reason(tmp_path / "a.jpg", max_pixels=47_999)[0] == "too large"


def test_scans_of_one_colour_each_are_held_whole_too(tmp_path: Path):
    two_halves().save(tmp_path / "a.jpg", comment=b"\xff" * 3000)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"\xff\xda") + 4
    assert data[at] == 3
    data[at] = 1
    (tmp_path / "b.jpg").write_bytes(data)
    assert reason(tmp_path / "b.jpg", max_pixels=40_000)[0] == "too large"
    assert decode(tmp_path / "a.jpg", max_pixels=40_000).size == (200, 150)


def test_orientation_survives_reduction(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    two_halves().save(tmp_path / "a.jpg", exif=exif)
    image = decode(tmp_path / "a.jpg", max_pixels=30_000)
    assert image.size == (150, 200)
    assert colours(image.rotate(90, expand=True)) == ["red", "green"]


def test_a_wide_photo_keeps_its_short_side(tmp_path: Path):
    Image.new("L", (4000, 60)).save(tmp_path / "a.jpg")
    assert decode(tmp_path / "a.jpg", at_least=30).size == (2000, 30)


def test_two_pictures_and_a_large_profile_in_a_photo_are_passed_over(tmp_path: Path):
    noise = np.random.default_rng(0).bytes(4 * MIB)
    exif = Image.Exif()
    exif[0x0112] = 3
    two_halves().save(tmp_path / "a.jpg", icc_profile=noise, exif=exif)
    assert colours(decode(tmp_path / "a.jpg")) == ["green", "red"]
    two_halves().save(
        tmp_path / "b.mpo", format="MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))]
    )
    assert decode(tmp_path / "b.mpo").size == (400, 300)


def test_what_pillow_decodes_in_python_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.ppm").write_bytes(b"P3 40 30 255\n" + b"1 2 3 " * 1200)
    assert decode(tmp_path / "a.ppm").size == (40, 30)
    monkeypatch.setattr(opening, "_MOST_SLOW", 1199)
    assert reason(tmp_path / "a.ppm") == ("too large", "40 x 30 pixels")
    (tmp_path / "b.ppm").write_bytes(b"P6 40 30 255\n" + bytes(3600))
    assert decode(tmp_path / "b.ppm").size == (40, 30)


# --- PNG with large texts ------------------------------------------------------------------------


def with_texts(path: Path, kind: str, size: int, number: int = 1) -> Path:
    """A PNG that stands on its head, with that much of a text or profile; its EXIF says so."""
    exif, info, more = Image.Exif(), PngImagePlugin.PngInfo(), {}
    exif[0x0112] = 3
    for i in range(number):
        if kind == "iCCP":
            more = {"icc_profile": bytes(size)}
        elif kind == "iTXt":
            info.add_itxt(f"t{i}", "x" * size, zip=True)
        else:
            info.add_text(f"t{i}", "x" * size, zip=kind == "zTXt")
    two_halves().save(path, pnginfo=info, exif=exif, **more)
    return path


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iCCP"])
def test_large_texts_are_passed_over_and_orientation_is_not(tmp_path: Path, kind: str):
    path = with_texts(tmp_path / "a.png", kind, 3 * MIB)
    assert colours(decode(path)) == ["green", "red"]


def test_many_texts_are_passed_over(tmp_path: Path):
    path = with_texts(tmp_path / "a.png", "zTXt", MIB - 10, number=70)
    assert colours(decode(path)) == ["green", "red"]


def test_texts_behind_the_picture_are_passed_over(tmp_path: Path):
    path = with_texts(tmp_path / "a.png", "tEXt", 10)
    text = b"late\0\0" + zlib.compress(b"x" * 3 * MIB)
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + zlib.crc32(b"zTXt" + text).to_bytes(4)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])
    assert colours(decode(path)) == ["green", "red"]


def test_a_picture_of_one_pixel_with_megabytes_of_text_is_refused(tmp_path: Path):
    info = PngImagePlugin.PngInfo()
    info.add_text("t", "x" * 2 * MIB, zip=True)
    Image.new("L", (1, 1)).save(tmp_path / "a.png", pnginfo=info)
    assert reason(tmp_path / "a.png")[0] == "too large"


# --- what else there is --------------------------------------------------------------------------

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500
JXL = b"\xff\x0a" + b"\0" * 100


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.HEIC"])
def test_heic_and_jpeg_xl_are_called_what_they_are(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kinds, "reads_heic", lambda: False)
    for content, said in ((HEIC, "HEIC"), (JXL, "JPEG XL"), (b"8BPS" + bytes(60), "Photoshop")):
        (tmp_path / name).write_bytes(content)
        why, detail = reason(tmp_path / name)
        assert why == "unsupported type"
        assert said in detail
    (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif" + bytes(60))
    assert reason(tmp_path / name)[0] == "corrupt"  # AVIF, which is read


def test_heic_is_read_where_its_reader_is_installed(tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 3
    heif = pillow_heif.from_pillow(two_halves())
    heif.save(tmp_path / "a.jpg", quality=90, exif=exif.tobytes(), format="HEIF")
    image = decode(tmp_path / "a.jpg")
    assert image.size == (400, 300)
    assert colours(image) == ["green", "red"]
    assert reason(tmp_path / "a.jpg", max_pixels=100)[0] == "too large"
    (tmp_path / "b.heic").write_bytes(HEIC)
    assert reason(tmp_path / "b.heic")[0] == "corrupt"


def test_avif_is_turned_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 3
    two_halves().save(tmp_path / "a.jpg", format="AVIF", quality=90, exif=exif)
    assert colours(decode(tmp_path / "a.jpg")) == ["green", "red"]


def test_the_first_bytes_tell_every_kind_that_pillow_writes():
    for format, kind in [
        ("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("AVIF", "AVIF"), ("GIF", "GIF"),
        ("TIFF", "TIFF"), ("BMP", "BMP"), ("JPEG2000", "JPEG2000"), ("PPM", "PPM"), ("TGA", ""),
    ]:  # fmt: skip
        assert kinds.kind_of(_saved(format)[: kinds.HEAD]) == kind
        assert kinds.is_read(kind) == bool(kind)
    others = (
        b"",
        b"BM",
        b"Buy milk, bread",
        b"P1 is here",
        b"PK\x03\x04",
        b"II*",
        b"RIFF 4567WAVE",
    )
    assert not any(map(kinds.kind_of, others))


def _saved(format: str) -> bytes:
    from io import BytesIO

    file = BytesIO()
    two_halves((40, 30)).save(file, format=format)
    return file.getvalue()
