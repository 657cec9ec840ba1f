from __future__ import annotations

import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from studio.images import decoding
from studio.images.decoding import ImageRefused, decode, quiet_pillow

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def two_halves(mode: str = "RGB") -> Image.Image:
    """Left red, right green, 40 x 20."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(GREEN, (20, 0, 40, 20))
    return image.convert(mode)


def near(image: Image.Image, xy: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    assert image.mode == "RGB"
    return all(abs(a - b) <= 12 for a, b in zip(image.getpixel(xy), colour, strict=True))


@pytest.mark.parametrize(
    "suffix",
    ["jpg", "jfif", "jpe", "png", "webp", "bmp", "tif", "gif", "avif", "jp2", "ppm", "tga"],
)
def test_every_format_gives_rgb(tmp_path: Path, suffix: str):
    options = {"quality": 100} if suffix in {"jpg", "webp", "avif"} else {}
    image = decode(save(two_halves(), tmp_path / f"a.{suffix}", **options))
    assert image.size == (40, 20)
    assert near(image, (5, 10), RED)
    assert near(image, (35, 10), GREEN)


def test_the_content_counts_not_the_extension(tmp_path: Path):
    path = tmp_path / "a.jpg"
    two_halves().save(path, format="PNG")
    assert near(decode(path), (5, 10), RED)


@pytest.mark.parametrize(
    ("orientation", "red_at"), [(1, (2, 10)), (3, (37, 10)), (6, (10, 2)), (8, (10, 37))]
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_photos_are_turned_upright(
    tmp_path: Path, suffix: str, orientation: int, red_at: tuple[int, int]
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(two_halves(), tmp_path / f"a.{suffix}", exif=exif)
    image = decode(path)
    assert image.size == ((40, 20) if orientation in (1, 3) else (20, 40))
    assert near(image, red_at, RED)


def test_cmyk_palette_and_one_bit(tmp_path: Path):
    assert near(decode(save(two_halves("CMYK"), tmp_path / "a.jpg", quality=100)), (5, 10), RED)
    assert near(decode(save(two_halves("P"), tmp_path / "a.png")), (35, 10), GREEN)
    assert near(decode(save(Image.new("1", (8, 8), 1), tmp_path / "b.png")), (4, 4), (255,) * 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparent_parts_are_white(tmp_path: Path, mode: str):
    image = Image.new("RGBA", (20, 20), (200, 0, 0, 0))
    image.paste((0, 0, 0, 255), (10, 0, 20, 20))
    suffix = "tif" if mode == "PA" else "png"
    result = decode(save(image.convert(mode), tmp_path / f"a.{suffix}"))
    assert near(result, (4, 10), (255, 255, 255))
    assert near(result, (16, 10), (0, 0, 0))


def test_half_transparent_is_half_way_to_white(tmp_path: Path):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert near(decode(save(image, tmp_path / "a.png")), (1, 1), (127, 127, 127))


def test_alpha_zero_everywhere_is_a_mistake_not_a_blank(tmp_path: Path):
    image = Image.new("RGBA", (4, 4), (*RED, 0))
    assert near(decode(save(image, tmp_path / "a.png")), (1, 1), RED)


@pytest.mark.parametrize(("white", "depth"), [(65535, 16), (4095, 12), (1000, 10), (255, 8)])
def test_sixteen_bits_are_scaled_by_the_depth_in_use(tmp_path: Path, white: int, depth: int):
    values = np.array([[0, white // 2, white]], dtype=np.uint16)
    pixels = np.asarray(decode(save(Image.fromarray(values), tmp_path / "a.png")))[0, :, 0]
    expected = 255.0 * values[0] / (2**depth - 1)
    assert np.abs(pixels - expected).max() <= 1


def test_float_images_are_stretched_and_nan_is_black(tmp_path: Path):
    values = np.array([[-10.0, 0.0, 30.0]], dtype=np.float32)
    path = save(Image.fromarray(values), tmp_path / "a.tif")
    assert np.asarray(decode(path))[0, :, 0].tolist() == [0, 64, 255]
    values = np.array([[0.0, np.nan, 1.0, 0.5]], dtype=np.float32)
    path = save(Image.fromarray(values), tmp_path / "b.tif")
    assert np.asarray(decode(path))[0, :, 0].tolist() == [0, 0, 255, 128]


def test_the_first_frame_of_an_animation(tmp_path: Path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    for suffix in ("gif", "webp", "png", "tif"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert near(decode(path), (4, 4), RED), suffix


def test_large_jpegs_are_reduced_but_never_below_what_is_asked(tmp_path: Path):
    path = save(Image.new("RGB", (1600, 1200)), tmp_path / "a.jpg")
    assert min(decode(path, at_least=256).size) in range(256, 512)
    assert decode(path).size == (1600, 1200)


def refusal(path: Path, **options: int) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        decode(path, **options)
    assert "\n" not in caught.value.detail
    assert caught.value.detail
    return caught.value


def test_reasons_for_refusal(tmp_path: Path):
    path = save(Image.effect_noise((64, 64), 80), tmp_path / "a.png")
    data = path.read_bytes()

    def written(content: bytes, name: str = "b.png") -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert refusal(written(b"")).reason == "not an image"
    assert refusal(written(b"hello, world")).reason == "not an image"
    assert refusal(written(b"<svg xmlns='http://www.w3.org/2000/svg'/>")).reason == "not an image"
    assert refusal(written(b"%!PS-Adobe-3.0 EPSF-3.0\n")).reason == "not an image"
    assert refusal(written(data[: len(data) // 2])).reason == "truncated"
    assert refusal(written(data[:20])).reason in {"truncated", "corrupt"}
    middle = len(data) // 2
    assert refusal(written(data[:middle] + b"?" * 64 + data[middle + 64 :])).reason == "corrupt"
    jpeg = save(two_halves(), tmp_path / "a.jpg").read_bytes()
    assert refusal(written(jpeg[:-100], "b.jpg")).reason == "truncated"
    assert refusal(tmp_path / "gone.png").reason == "unreadable"
    assert refusal(tmp_path).reason == "unreadable"


def test_size_limits_are_kept_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = save(Image.new("1", (3000, 3000)), tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("was decoded"))
    assert refusal(path, max_pixels=8_999_999).reason == "too large"
    assert "3000 x 3000" in refusal(path, max_pixels=8_999_999).detail
    assert refusal(path, max_bytes=100).reason == "too large"


def test_the_limit_itself_is_allowed(tmp_path: Path):
    path = save(Image.new("1", (300, 300)), tmp_path / "a.png")
    assert decode(path, max_pixels=90_000).size == (300, 300)


@pytest.mark.parametrize(("large_from", "at_once"), [(100, 1), (10_000, 3)])
def test_large_images_are_decoded_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large_from: int, at_once: int
):
    paths = [save(two_halves(), tmp_path / f"{n}.png") for n in range(3)]  # 800 pixels each
    real, inside, most = decoding._to_upright_rgb, 0, 0
    count_lock = threading.Lock()

    def slowly(image: Image.Image) -> Image.Image:
        nonlocal inside, most
        with count_lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        with count_lock:
            inside -= 1
        return real(image)

    monkeypatch.setattr(decoding, "_LARGE", large_from)
    monkeypatch.setattr(decoding, "_to_upright_rgb", slowly)
    with ThreadPoolExecutor(3) as pool:
        assert [image.size for image in pool.map(decode, paths)] == [(40, 20)] * 3
    assert most == at_once


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "a.jpg")
    assert refusal(tmp_path / "a.jpg").reason == "unreadable"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="rights do not bind root")
def test_a_file_without_rights_is_unreadable(tmp_path: Path):
    path = save(two_halves(), tmp_path / "a.png")
    path.chmod(0)
    assert refusal(path).reason == "unreadable"


def test_formats_outside_the_list_are_refused_whatever_their_name(tmp_path: Path):
    for format in ("TGA", "ICO", "PCX", "SGI"):
        path = tmp_path / "a.png"
        two_halves().save(path, format=format)
        assert refusal(path).reason == "not an image", format


def test_pillow_is_left_as_it_was(tmp_path: Path):
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    decode(save(two_halves(), tmp_path / "a.png"))
    refusal(tmp_path / "gone.png")
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert before == after
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_warning_filters_survive_threads_that_leave_in_any_order():
    before = list(warnings.filters)
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
    still_quiet: list[bool] = []

    def first() -> None:
        with quiet_pillow():
            first_in.set()
            second_in.wait(5)
        first_out.set()

    def second() -> None:
        first_in.wait(5)
        with quiet_pillow():
            second_in.set()
            first_out.wait(5)
            still_quiet.append(list(warnings.filters) != before)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert still_quiet == [True]
    assert list(warnings.filters) == before


def test_an_image_larger_than_pillows_own_limit_warns_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    path = save(two_halves(), tmp_path / "a.png")  # 800 pixels: a warning, not an error
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(path).size == (40, 20)
