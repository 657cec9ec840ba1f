"""From a sprite to a photograph: background, clutter, several objects, things in the way, a camera.

This is where the demo set gets its honest difficulty: objects are small, turned, cut off, half
hidden, badly lit, blurred or noisy as often as in anybody's photos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from studio.demo.brush import Sprite, hsv, pick
from studio.demo.places import PLACES


@dataclass(frozen=True)
class Subject:
    """How one class is photographed.

    paint: draws one object; places: backgrounds it is met on; turn: largest rotation in radians;
    many: largest number of objects in one picture; shadow: close to what is behind it; mirror: may
    be shown the other way round.
    """

    paint: Callable[[Sprite], None]
    places: tuple[str, ...]
    turn: float = 0.15
    many: int = 1
    shadow: bool = True
    mirror: bool = True


def photograph(subject: Subject, rng: np.random.Generator) -> Image.Image:
    """One RGB picture of the subject, 224 to 320 pixels a side."""
    width, height = (int(side) for side in rng.integers(224, 321, 2))
    light = rng.uniform(-np.pi * 0.85, -np.pi * 0.15)  # from the upper half
    place = str(rng.choice(subject.places)) if rng.random() < 0.7 else str(rng.choice(list(PLACES)))
    picture = PLACES[place](rng).resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.45:
        _clutter(picture, rng, blur=rng.uniform(1, 5), count=int(rng.integers(2, 7)))

    count = int(rng.integers(2, subject.many + 1)) if subject.many > 1 and rng.random() < 0.4 else 1
    share = rng.triangular(0.24, 0.6, 1.1) * (1.0 if count == 1 else 0.62)
    for _ in range(count):
        size = share * min(width, height) * rng.uniform(0.85, 1.15)
        sprite = Sprite(rng, side=round(np.clip(1.75 * size, 120, 420)), light=light)
        subject.paint(sprite)
        placed = _posed(sprite.image, rng, size=size, turn=subject.turn, mirror=subject.mirror)
        spread = 0.12 if count == 1 else 0.28
        x = width * (0.5 + rng.normal(0, spread)) - placed.width / 2
        y = height * (0.5 + rng.normal(0, spread)) - placed.height / 2
        # at most a quarter of it may leave the picture
        x = float(np.clip(x, -0.25 * placed.width, width - 0.75 * placed.width))
        y = float(np.clip(y, -0.25 * placed.height, height - 0.75 * placed.height))
        _put(picture, placed, (round(x), round(y)), light=light if subject.shadow else None)
    if rng.random() < 0.3:
        _in_the_way(picture, rng)
    return _camera(picture, rng)


def _posed(
    sprite: Image.Image, rng: np.random.Generator, *, size: float, turn: float, mirror: bool
) -> Image.Image:
    """Mirrored, turned, seen from a slant, and reduced to `size` pixels."""
    if rng.random() < 0.5 and mirror:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sprite = sprite.crop(sprite.getbbox())
    stretch, shear, angle = rng.uniform(0.82, 1.0), rng.normal(0, 0.08), rng.uniform(-turn, turn)
    cos, sin = np.cos(angle), np.sin(angle)
    # where a point of the result comes from, both measured from the middle
    matrix = np.array([[cos / stretch, shear - sin / stretch], [sin, cos]])
    reach = np.abs(np.linalg.inv(matrix)) @ sprite.size  # of the turned box
    shift = np.array(sprite.size) / 2 - matrix @ reach / 2
    sprite = sprite.transform(
        (int(reach[0]) + 1, int(reach[1]) + 1),
        Image.Transform.AFFINE,
        (*matrix[0].tolist(), float(shift[0]), *matrix[1].tolist(), float(shift[1])),
        Image.Resampling.BILINEAR,
    )
    sprite = sprite.crop(sprite.getbbox())
    scale = size / max(sprite.size)
    shape = (max(8, round(sprite.width * scale)), max(8, round(sprite.height * scale)))
    return sprite.resize(shape, Image.Resampling.BICUBIC)


def _put(
    picture: Image.Image, sprite: Image.Image, at: tuple[int, int], *, light: float | None
) -> None:
    """Pastes a sprite, with a soft shadow away from the light."""
    if light is not None:
        reach = 0.07 * max(sprite.size)
        margin = round(2 * reach) + 2
        shadow = Image.new("L", (sprite.width + 2 * margin, sprite.height + 2 * margin), 0)
        shadow.paste(sprite.getchannel("A").point(lambda alpha: alpha * 0.5), (margin, margin))
        shadow = shadow.filter(ImageFilter.GaussianBlur(reach * 0.7))
        shift = (round(-np.cos(light) * reach), round(-np.sin(light) * reach))
        black = Image.new("RGB", shadow.size, (12, 12, 18))
        picture.paste(black, (at[0] - margin + shift[0], at[1] - margin + shift[1]), shadow)
    picture.paste(sprite, at, sprite)


def _clutter(picture: Image.Image, rng: np.random.Generator, *, blur: float, count: int) -> None:
    """Things of no class: blurred boxes, discs and bars behind the subject."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    for _ in range(count):
        colour = (*hsv(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.2, 0.95)), 255)
        x, y = rng.uniform(0, 1, 2) * picture.size
        w, h = rng.uniform(0.04, 0.2, 2) * picture.size
        box = (x - w, y - h, x + w, y + h)
        kind = rng.integers(3)
        if kind == 0:
            pen.ellipse(box, fill=colour)
        elif kind == 1:
            pen.rounded_rectangle(box, radius=min(w, h) * 0.3, fill=colour)
        else:
            end = rng.uniform(0, 1, 2) * picture.size
            pen.line((x, y, *end), fill=colour, width=int(rng.integers(3, 14)))
    layer = layer.filter(ImageFilter.GaussianBlur(blur))
    picture.paste(layer, mask=layer)


def _in_the_way(picture: Image.Image, rng: np.random.Generator) -> None:
    """Something close to the lens: blades of grass, a bar, or a finger's blur in a corner."""
    width, height = picture.size
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    kind = rng.integers(3)
    if kind == 0:
        for _ in range(int(rng.integers(4, 10))):
            x, lean = rng.uniform(0, width), rng.normal(0, 30)
            top = height * rng.uniform(0.25, 0.7)
            green = (*pick(rng, [(60, 110, 40), (110, 140, 60), (150, 140, 80)]), 255)
            pen.polygon([(x - 4, height), (x + 5, height), (x + lean, top)], fill=green)
        blur = 1.2
    elif kind == 1:
        x = rng.uniform(0.2, 0.8) * width
        lean, thick = rng.normal(0, 40), rng.uniform(6, 26)
        grey = (*pick(rng, [(60, 60, 64), (120, 84, 50), (170, 170, 172)]), 255)
        pen.line((x - lean, -20, x + lean, height + 20), fill=grey, width=int(thick))
        blur = 1.5
    else:
        x, y = rng.choice([0, width]), rng.choice([0, height])
        r = rng.uniform(0.25, 0.5) * min(width, height)
        skin = (*pick(rng, [(224, 172, 140), (140, 96, 70), (70, 72, 90)]), 255)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=skin)
        blur = 9.0
    layer = layer.filter(ImageFilter.GaussianBlur(blur))
    picture.paste(layer, mask=layer)


def _camera(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light, colour cast, focus, motion and grain."""
    width, height = picture.size
    ramp = np.linspace(-1, 1, 32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None]
    vignette = 1 - rng.uniform(0, 0.3) * (ramp[None, :] ** 2 + ramp[:, None] ** 2) / 2
    light = np.clip(255 * vignette * (1 - rng.uniform(0, 0.25) * (slope + 1) / 2), 0, 255)
    lamp = Image.fromarray(light.astype(np.uint8)).resize((width, height))
    picture = ImageChops.multiply(picture, Image.merge("RGB", [lamp] * 3))
    warm = rng.normal(0, 0.05)
    exposure = 1.15 * float(np.exp(rng.normal(0, 0.18)))
    if rng.random() < 0.16:
        exposure *= rng.choice([0.4, 1.5])
    gains = exposure * np.array([1 + warm, 1.0, 1 - warm])
    table = [min(255, round(value * gain)) for gain in gains for value in range(256)]
    picture = picture.point(table)
    picture = ImageEnhance.Color(picture).enhance(float(rng.uniform(0.55, 1.15)))
    picture = ImageEnhance.Contrast(picture).enhance(float(rng.uniform(0.75, 1.1)))
    trouble = rng.random()
    if trouble < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.8)))
    elif trouble < 0.35:
        picture = picture.filter(_motion(rng))
    grain = rng.choice([0.0, 3.0, 6.0, 14.0], p=[0.25, 0.35, 0.25, 0.15])
    if grain:
        values = np.asarray(picture, dtype=np.int16)
        dots = rng.normal(0, grain, (height, width, 1)).astype(np.int16)
        picture = Image.fromarray(np.clip(values + dots, 0, 255).astype(np.uint8))
    return picture


def _motion(rng: np.random.Generator) -> ImageFilter.Kernel:
    """A shake of five pixels in one of four directions."""
    weights = np.zeros((5, 5))
    kind = rng.integers(4)
    if kind == 0:
        weights[2, :] = 1
    elif kind == 1:
        weights[:, 2] = 1
    else:
        np.fill_diagonal(weights if kind == 2 else weights[::-1], 1)
    return ImageFilter.Kernel((5, 5), weights.ravel().tolist())
