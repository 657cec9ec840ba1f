"""The drawing kit of the demo set: shapes, colours and a `Sprite` to paint them on.

Coordinates run from -1 to 1 in both directions, y downwards, so that no drawing knows its size in
pixels. Shapes are arrays of points (n, 2). A sprite is painted larger than it is shown and reduced
later, which smooths the edges.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

_SHADE = 64  # pixels of the map in which shading is worked out; it is smooth and can be enlarged

Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Colour from hue in turns (0 = red, 1/3 = green), saturation and value in [0, 1]."""
    clipped = (hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    red, green, blue = colorsys.hsv_to_rgb(*clipped)
    return round(255 * red), round(255 * green), round(255 * blue)


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def points(*pairs: tuple[float, float]) -> Points:
    """Corner points written out."""
    return np.array(pairs, dtype=np.float64)


def ellipse(
    x: float, y: float, rx: float, ry: float, *, turn: float = 0.0, count: int = 60
) -> Points:
    """An ellipse around (x, y), turned by `turn` radians."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    outline = np.stack([rx * np.cos(angles), ry * np.sin(angles)], axis=1)
    return moved(turned(outline, turn), x, y)


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, *, count: int = 30
) -> Points:
    """An open piece of an ellipse, from angle `start` to `end` in radians."""
    angles = np.linspace(start, end, count)
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def turned(shape: Points, angle: float) -> Points:
    """The shape turned around the origin by `angle` radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return shape @ np.array([[cos, sin], [-sin, cos]])


def moved(shape: Points, x: float, y: float) -> Points:
    """The shape shifted by (x, y)."""
    return shape + np.array([x, y])


def smooth(corners: Points, *, closed: bool = True, steps: int = 10) -> Points:
    """A Catmull-Rom curve through the points."""
    if closed:
        padded = np.concatenate([corners[-1:], corners, corners[:2]])
    else:
        padded = np.concatenate([corners[:1], corners, corners[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.concatenate([*pieces, padded[-2:-1]])


def ribbon(line: Points, widths: npt.ArrayLike) -> Points:
    """The outline of a stroke along a line; widths: full width at each point, or one for all."""
    direction = np.gradient(line, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    half = np.broadcast_to(np.asarray(widths, dtype=np.float64) / 2, len(line))[:, None]
    offset = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * half
    return np.concatenate([line + offset, (line - offset)[::-1]])


def noise(rng: np.random.Generator, cells: int, low: float, high: float, side: int) -> Image.Image:
    """Cloudy grey picture: random values between low and high (0 to 255) on a grid, enlarged."""
    grid = rng.uniform(low, high, (cells, cells)).astype(np.uint8)
    return Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)


class Sprite:
    """One object on a transparent ground, lit from one side.

    side: of the sprite in pixels; light: direction that the light comes from in radians (-pi/2 =
    from above).
    """

    def __init__(
        self, rng: np.random.Generator, *, side: int = 360, light: float = -np.pi / 2
    ) -> None:
        self.rng = rng
        self.side = side
        self.light = light
        self.image = Image.new("RGBA", (side, side), (0, 0, 0, 0))

    def noise(self, cells: int, low: float, high: float) -> Image.Image:
        """A texture of the sprite's size, see `noise`."""
        return noise(self.rng, cells, low, high, self.side)

    def mask(self, *shapes: Points) -> Image.Image:
        """The union of shapes as a picture of the sprite's size: 255 inside."""
        mask = Image.new("L", self.image.size, 0)
        area, box = _drawn(shapes, self.side, 0)
        mask.paste(area, box[:2])
        return mask

    def paint(
        self,
        *shapes: Points,
        colour: Colour,
        volume: float = 0.0,
        gloss: float = 0.0,
        texture: Image.Image | None = None,
        inside: Image.Image | None = None,
    ) -> Image.Image:
        """Fills shapes; returns their mask, to be used as `inside` of what is painted on them.

        volume: how round the filled area looks, 0 = flat to 1; gloss: strength of a highlight;
        texture: grey picture that the colour is multiplied with; inside: mask to stay within.
        """
        margin = 0.12 if volume or gloss else 0.0  # the blur that shades must not end at the edge
        area, box = _drawn(shapes, self.side, margin)
        return self._fill(area, box, colour, volume, gloss, texture, inside)

    def stroke(
        self, line: Points, width: float, colour: Colour, *, inside: Image.Image | None = None
    ) -> None:
        """A flat line of even width with round joints."""
        area, box = _drawn([line], self.side, 0, width=max(1, round(width * self.side / 2)))
        self._fill(area, box, colour, 0.0, 0.0, None, inside)

    def shade(self, area: Image.Image, *, volume: float, gloss: float = 0.0) -> None:
        """Makes what is painted already look round, as one body with the outline `area`."""
        self.image.paste(self._lit(self.image.convert("RGB"), area, volume, gloss), mask=area)

    def glow(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A soft spot of light on what is painted already."""
        spot = self.mask(ellipse(x, y, radius, radius)).resize((_SHADE, _SHADE))
        spot = spot.filter(ImageFilter.GaussianBlur(radius * _SHADE / 4)).resize(self.image.size)
        light = ImageChops.multiply(
            Image.merge("RGB", [spot] * 3), Image.new("RGB", self.image.size, colour)
        )
        lit = ImageChops.screen(self.image.convert("RGB"), light)
        lit.putalpha(self.image.getchannel("A"))
        self.image = lit

    def _fill(
        self,
        area: Image.Image,
        box: tuple[int, int, int, int],
        colour: Colour,
        volume: float,
        gloss: float,
        texture: Image.Image | None,
        inside: Image.Image | None,
    ) -> Image.Image:
        if inside is not None:
            area = ImageChops.multiply(area, inside.crop(box))
        fill = Image.new("RGB", area.size, colour)
        if texture is not None:
            fill = ImageChops.multiply(fill, Image.merge("RGB", [texture.crop(box)] * 3))
        if volume or gloss:
            fill = self._lit(fill, area, volume, gloss)
        self.image.paste(fill, box, area)
        mask = Image.new("L", self.image.size, 0)
        mask.paste(area, box[:2])
        return mask

    def _lit(
        self, fill: Image.Image, mask: Image.Image, volume: float, gloss: float
    ) -> Image.Image:
        """Shades a filled area as if it bulged: the blurred mask is taken for its height."""
        small = mask.copy()
        small.thumbnail((_SHADE, _SHADE), Image.Resampling.BOX)
        pixels = float(np.asarray(small, dtype=np.float32).sum()) / 255
        blurred = small.filter(ImageFilter.GaussianBlur(0.16 * math.sqrt(pixels)))
        height = np.asarray(blurred, dtype=np.float32) / 255
        dy, dx = np.gradient(height)
        slope = -(dx * np.cos(self.light) + dy * np.sin(self.light))  # > 0 faces the light
        slope = slope / max(float(np.abs(slope).max()), 1e-6)
        rim = np.clip((height - 0.35) / 0.5, 0, 1)
        shade = 1 + volume * (0.45 * np.minimum(slope, 0) - 0.35 * (1 - rim))
        shine = volume * 0.30 * np.maximum(slope, 0) * rim
        if gloss:
            shine = shine + gloss * np.exp(-(((slope - 0.62) / 0.16) ** 2)) * rim
        fill = ImageChops.multiply(fill, _grey(shade, fill.size))
        return ImageChops.screen(fill, _grey(shine, fill.size))


def _drawn(
    shapes: Sequence[Points], side: int, margin: float, *, width: int = 0
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Filled shapes (or, with a width in pixels, lines) as a mask, and its box on the sprite.

    Only the part that is covered is drawn, with a margin given as a share of its size.
    """
    pixels = [(shape + 1) * (side / 2) for shape in shapes]
    corners = np.concatenate(pixels)
    low, high = corners.min(axis=0) - width - 1, corners.max(axis=0) + width + 2
    room = margin * float((high - low).sum())
    left, top = (int(edge) for edge in np.clip(low - room, -side, 2 * side))
    right, bottom = (int(edge) for edge in np.clip(high + room, -side + 2, 2 * side + 2))
    area = Image.new("L", (max(right - left, 1), max(bottom - top, 1)), 0)
    pen = ImageDraw.Draw(area)
    for shape in pixels:
        at = [(x - left, y - top) for x, y in shape.tolist()]
        if width:
            pen.line(at, fill=255, width=width, joint="curve")
        else:
            pen.polygon(at, fill=255)
    return area, (left, top, left + area.width, top + area.height)


def _grey(values: npt.NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """A map of values in [0, 1] enlarged to a grey RGB picture."""
    grey = Image.fromarray((255 * np.clip(values, 0, 1)).astype(np.uint8))
    return Image.merge("RGB", [grey.resize(size, Image.Resampling.BILINEAR)] * 3)


def pick(rng: np.random.Generator, choices: Sequence[Colour]) -> Colour:
    """One of several colours, slightly varied."""
    red, green, blue = choices[int(rng.integers(len(choices)))]
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    return hsv(
        hue + rng.normal(0, 0.012),
        saturation * rng.uniform(0.85, 1.1),
        value * rng.uniform(0.85, 1.08),
    )
