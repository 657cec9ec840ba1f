"""Backgrounds of the demo set: small pictures that are enlarged to the photo's size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from studio.demo.brush import Colour, hsv, noise, pick, scaled

_SIZE = 160


def _ramp(top: Colour, bottom: Colour) -> Image.Image:
    t = np.linspace(0, 1, _SIZE)[:, None, None]
    rows = (1 - t) * np.array(top) + t * np.array(bottom)
    return Image.fromarray(np.broadcast_to(rows, (_SIZE, _SIZE, 3)).astype(np.uint8))


def _textured(picture: Image.Image, texture: Image.Image) -> Image.Image:
    return ImageChops.multiply(picture, Image.merge("RGB", [texture] * 3))


def _clouds(rng: np.random.Generator, cells: int, low: float, high: float) -> Image.Image:
    """Noise at three scales."""
    coarse = np.asarray(noise(rng, cells, low, high, _SIZE), dtype=np.float32)
    middle = np.asarray(noise(rng, 3 * cells, low, high, _SIZE), dtype=np.float32)
    fine = np.asarray(noise(rng, 8 * cells, low, high, _SIZE), dtype=np.float32)
    return Image.fromarray((0.55 * coarse + 0.3 * middle + 0.15 * fine).astype(np.uint8))


def sky(rng: np.random.Generator) -> Image.Image:
    """Blue, grey or evening sky with clouds."""
    tops = [(58, 120, 200), (92, 150, 214), (140, 156, 172), (70, 84, 140)]
    bottoms = [(170, 206, 236), (206, 226, 240), (196, 202, 206), (244, 178, 120)]
    kind = int(rng.integers(4))
    picture = _ramp(pick(rng, tops[kind : kind + 1]), pick(rng, bottoms[kind : kind + 1]))
    cloud = np.asarray(_clouds(rng, 5, 0, 255), dtype=np.float32)
    cover = np.clip((cloud - rng.uniform(105, 160)) * 3.5, 0, 235).astype(np.uint8)
    picture.paste(Image.new("RGB", picture.size, (246, 246, 248)), mask=Image.fromarray(cover))
    return picture


def meadow(rng: np.random.Generator) -> Image.Image:
    """Grass, with or without a strip of sky."""
    green = pick(rng, [(96, 140, 58), (70, 116, 48), (140, 150, 76)])
    grass = _textured(_ramp(scaled(green, 1.25), scaled(green, 0.8)), _clouds(rng, 12, 120, 255))
    blades = ImageDraw.Draw(grass)
    for x, y, length in rng.uniform(0, 1, (240, 3)):
        tip = (x * _SIZE + rng.normal(0, 3), (y - 0.03 - 0.07 * length) * _SIZE)
        blades.line((x * _SIZE, y * _SIZE, *tip), fill=scaled(green, rng.uniform(0.6, 1.45)))
    if rng.random() < 0.5:
        grass.paste(sky(rng).crop((0, 0, _SIZE, int(_SIZE * rng.uniform(0.2, 0.5)))))
    return grass


def table(rng: np.random.Generator) -> Image.Image:
    """Planks of wood."""
    wood = pick(rng, [(176, 122, 74), (134, 86, 52), (206, 164, 114), (92, 62, 44)])
    grain = Image.fromarray(rng.uniform(185, 255, (48, 3)).astype(np.uint8)).resize(
        (_SIZE, _SIZE), Image.Resampling.BICUBIC
    )
    picture = _textured(_textured(_ramp(scaled(wood, 1.1), wood), grain), _clouds(rng, 6, 205, 255))
    pen = ImageDraw.Draw(picture)
    for y in np.arange(rng.uniform(5, 35), _SIZE, rng.uniform(28, 50)):
        pen.line((0, y, _SIZE, y + rng.normal(0, 1)), fill=scaled(wood, 0.5))
    return picture if rng.random() < 0.7 else picture.transpose(Image.Transpose.ROTATE_90)


def cloth(rng: np.random.Generator) -> Image.Image:
    """A checked or plain table cloth."""
    colour = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.6, 0.95))
    picture = Image.new("RGB", (_SIZE, _SIZE), colour)
    if rng.random() < 0.6:
        pen = ImageDraw.Draw(picture, "RGBA")
        step, over = int(rng.integers(12, 34)), (*scaled(colour, 0.55), 110)
        for start in range(0, _SIZE, step):
            pen.rectangle((start, 0, start + step // 2, _SIZE), fill=over)
            pen.rectangle((0, start, _SIZE, start + step // 2), fill=over)
    return _textured(picture, _clouds(rng, 7, 195, 255))


def wall(rng: np.random.Generator) -> Image.Image:
    """Plaster, bricks or wallpaper."""
    colour = pick(
        rng, [(214, 206, 190), (180, 196, 200), (166, 92, 70), (196, 180, 150), (120, 140, 128)]
    )
    picture = _textured(_ramp(colour, scaled(colour, 0.85)), _clouds(rng, 8, 205, 255))
    pen = ImageDraw.Draw(picture)
    kind = rng.integers(3)
    if kind == 0:
        for row, y in enumerate(range(0, _SIZE, 12)):
            pen.line((0, y, _SIZE, y), fill=scaled(colour, 1.2))
            for x in range((row % 2) * 13, _SIZE, 26):
                pen.line((x, y, x, y + 12), fill=scaled(colour, 1.2))
    elif kind == 1:
        for x in range(0, _SIZE, int(rng.integers(10, 24))):
            pen.line((x, 0, x, _SIZE), fill=scaled(colour, 0.85), width=3)
    return picture


def sea(rng: np.random.Generator) -> Image.Image:
    """Water under a sky."""
    picture = sky(rng)
    water = pick(rng, [(30, 84, 130), (44, 116, 140), (78, 104, 118)])
    horizon = int(_SIZE * rng.uniform(0.35, 0.62))
    waves = Image.fromarray(rng.uniform(150, 255, (60, 14)).astype(np.uint8)).resize(
        (_SIZE, _SIZE), Image.Resampling.BICUBIC
    )
    surface = _textured(_ramp(scaled(water, 1.5), water), waves)
    picture.paste(surface.crop((0, horizon, _SIZE, _SIZE)), (0, horizon))
    return picture


def street(rng: np.random.Generator) -> Image.Image:
    """Houses with windows under a sky."""
    picture = sky(rng)
    pen = ImageDraw.Draw(picture)
    x = 0.0
    while x < _SIZE:
        w, top = rng.uniform(24, 60), rng.uniform(0.05, 0.55) * _SIZE
        house = pick(
            rng, [(150, 120, 100), (176, 160, 140), (110, 112, 120), (160, 86, 66), (196, 186, 170)]
        )
        pen.rectangle((x, top, x + w, _SIZE), fill=house)
        for wx in np.arange(x + 4, x + w - 6, 11):
            for wy in np.arange(top + 6, _SIZE, 16):
                pen.rectangle(
                    (wx, wy, wx + 5, wy + 9), fill=scaled(house, rng.choice([0.5, 0.65, 1.4]))
                )
        x += w
    pen.rectangle((0, _SIZE * 0.86, _SIZE, _SIZE), fill=(84, 84, 88))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))


def night(rng: np.random.Generator) -> Image.Image:
    """Dark, with blurred lights."""
    picture = _ramp((14, 16, 30), (38, 34, 44))
    pen = ImageDraw.Draw(picture)
    for x, y, r in rng.uniform(0, 1, (int(rng.integers(6, 22)), 3)):
        light = hsv(
            rng.choice([0.02, 0.1, 0.13, 0.55, 0.35]), rng.uniform(0.3, 0.8), rng.uniform(0.5, 1)
        )
        r = 2 + 7 * r
        pen.ellipse((x * _SIZE - r, y * _SIZE - r, x * _SIZE + r, y * _SIZE + r), fill=light)
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.5)))


def bokeh(rng: np.random.Generator) -> Image.Image:
    """A garden out of focus."""
    colour = pick(rng, [(70, 110, 60), (120, 130, 80), (90, 100, 110), (150, 120, 90)])
    picture = _textured(_ramp(scaled(colour, 1.3), scaled(colour, 0.7)), _clouds(rng, 5, 120, 255))
    pen = ImageDraw.Draw(picture, "RGBA")
    for x, y, r in rng.uniform(0, 1, (14, 3)):
        r = 4 + 14 * r
        spot = (*scaled(colour, rng.uniform(0.6, 1.8)), 90)
        pen.ellipse((x * _SIZE - r, y * _SIZE - r, x * _SIZE + r, y * _SIZE + r), fill=spot)
    return picture.filter(ImageFilter.GaussianBlur(2.5))


def ground(rng: np.random.Generator) -> Image.Image:
    """Earth, sand or asphalt."""
    colour = pick(rng, [(120, 92, 66), (204, 180, 136), (104, 104, 108), (150, 130, 104)])
    specks = Image.fromarray(rng.uniform(150, 255, (_SIZE, _SIZE)).astype(np.uint8))
    return _textured(
        _textured(_ramp(colour, scaled(colour, 0.85)), specks), _clouds(rng, 7, 170, 255)
    )


PLACES: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    place.__name__: place
    for place in (sky, meadow, table, cloth, wall, sea, street, night, bokeh, ground)
}
