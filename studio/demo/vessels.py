"""Drawings of what carries people by wind: each paints one object on a sprite."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from studio.demo.brush import Points, Sprite, arc, hsv, pick, points, scaled, smooth


def balloon(sprite: Sprite) -> None:
    """A hot air balloon of coloured gores, with its basket."""
    rng = sprite.rng
    gores = int(rng.choice([7, 9, 11]))
    count = int(rng.integers(2, 5))
    palette = [
        hsv(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.65, 1)) for _ in range(count)
    ]
    banded = rng.random() < 0.3
    profile_y = np.linspace(0, 1, 40)
    profile = (
        np.where(
            profile_y < 0.5,
            np.sqrt(np.clip(1 - (1 - profile_y / 0.5) ** 2, 0, 1)),
            np.cos((profile_y - 0.5) * 2 * np.pi / 2 * 0.86) ** 0.9,
        )
        * 0.72
    )
    y = -0.95 + profile_y * 1.42
    outline = np.concatenate([np.stack([profile, y], 1), np.stack([-profile[::-1], y[::-1]], 1)])
    envelope = sprite.mask(outline)
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, gores + 1))
    for number, (a, b) in enumerate(pairwise(edges)):
        gore = np.concatenate(
            [np.stack([profile * a, y], 1), np.stack([profile[::-1] * b, y[::-1]], 1)]
        )
        sprite.paint(gore, colour=palette[number % count], inside=envelope)
    if banded:
        for top in rng.uniform(-0.7, 0.1, 2):
            band = np.concatenate(
                [arc(0, top, 0.8, 0.1, 0, np.pi), arc(0, top + 0.16, 0.8, 0.1, np.pi, 0)]
            )
            sprite.paint(band, colour=palette[-1], inside=envelope)
    sprite.shade(envelope, volume=0.85, gloss=0.12)  # over all gores at once
    basket_y = 0.78
    for x in (-1, -0.4, 0.4, 1):
        sprite.stroke(
            points((x * profile[-1], y[-1] - 0.02), (x * 0.1, basket_y)), 0.009, (60, 50, 40)
        )
    basket = points((-0.12, basket_y), (0.12, basket_y), (0.1, 0.97), (-0.1, 0.97))
    sprite.paint(basket, colour=(128, 84, 44), volume=0.5, texture=sprite.noise(70, 170, 255))


def sailboat(sprite: Sprite) -> None:
    """A small yacht with mainsail and jib."""
    rng = sprite.rng
    hull_colour = pick(
        rng, [(244, 244, 240), (30, 48, 92), (150, 32, 36), (120, 76, 40), (30, 90, 96)]
    )
    sail = pick(
        rng, [(250, 250, 246), (244, 238, 222), (250, 250, 246), (214, 84, 50), (240, 196, 70)]
    )
    mast_x, top = rng.uniform(-0.1, 0.05), -0.95
    belly = rng.uniform(0.05, 0.16)
    main = _sail(
        points((mast_x - 0.02, top + 0.04), (mast_x - 0.02, 0.4), (mast_x - 0.62, 0.42)), belly
    )
    sprite.paint(main, colour=sail, volume=0.35)
    for level in (0.3, 0.55, 0.8):
        sprite.stroke(
            points((mast_x - 0.02, top + 1.4 * level), (mast_x - 0.6 * level, top + 1.36 * level)),
            0.008,
            scaled(sail, 0.85),
            inside=sprite.mask(main),
        )
    jib_colour = sail if rng.random() < 0.7 else hsv(rng.random(), 0.7, 0.85)
    jib = _sail(
        points((mast_x + 0.03, top + 0.16), (mast_x + 0.05, 0.38), (mast_x + 0.62, 0.45)),
        belly * 0.6,
    )
    sprite.paint(jib, colour=scaled(jib_colour, 0.95), volume=0.35)
    sprite.stroke(points((mast_x, top), (mast_x, 0.55)), 0.028, (110, 84, 56))
    sprite.stroke(points((mast_x, 0.45), (mast_x - 0.64, 0.46)), 0.022, (110, 84, 56))
    sprite.stroke(points((mast_x, top + 0.02), (0.88, 0.5)), 0.006, (80, 80, 84))
    hull = smooth(
        points((-0.8, 0.52), (0.92, 0.5), (0.62, 0.8), (0.2, 0.84), (-0.66, 0.82)), steps=6
    )
    body = sprite.paint(hull, colour=hull_colour, volume=0.55)
    stripe = points((-0.85, 0.58), (0.95, 0.56), (0.93, 0.6), (-0.85, 0.62))
    sprite.paint(
        stripe, colour=pick(rng, [(190, 40, 40), (40, 60, 110), (230, 228, 220)]), inside=body
    )
    cabin = points((-0.3, 0.54), (-0.24, 0.42), (0.2, 0.42), (0.34, 0.54))
    sprite.paint(cabin, colour=(238, 236, 230), volume=0.4)


def _sail(corners: Points, belly: float) -> Points:
    """A triangle whose long side is blown outwards by `belly`."""
    top, foot, end = corners
    t = np.linspace(0, 1, 16)[:, None]
    outward = np.array([np.sign(end[0] - top[0]), -0.3])
    leech = end + (top - end) * t + outward * belly * np.sin(np.pi * t)
    return np.concatenate([np.stack([top, foot]), leech])
