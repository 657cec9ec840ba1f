"""Drawings of made things: each paints one object on a sprite, with the variety of its kind."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import ImageDraw, ImageFont

from studio.demo.brush import (
    Points,
    Sprite,
    arc,
    ellipse,
    hsv,
    pick,
    points,
    ribbon,
    scaled,
)


def umbrella(sprite: Sprite) -> None:
    """An open umbrella from the side, plain or with panels of two colours."""
    rng = sprite.rng
    first = hsv(rng.random(), rng.uniform(0.55, 0.9), rng.uniform(0.45, 0.95))
    second = (
        first if rng.random() < 0.5 else pick(rng, [(240, 236, 226), (40, 44, 58), (238, 190, 60)])
    )
    high = rng.uniform(0.62, 0.85)
    panels = int(rng.choice([5, 6, 7]))
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, panels + 1)) * 0.95
    handle = pick(rng, [(70, 44, 26), (36, 36, 40), (150, 104, 58)])
    end = 0.82
    sprite.stroke(points((0, -0.3), (0, end)), 0.035, scaled(handle, 1.25))
    hook = arc(0.1, end, 0.1, 0.13, np.pi, 0, count=16)
    sprite.paint(ribbon(hook, 0.065), colour=handle, volume=0.5)
    sprite.paint(points((-0.032, 0.55), (0.032, 0.55), (0.032, end), (-0.032, end)), colour=handle)

    def rib(edge: float) -> Points:
        t = np.linspace(0, np.pi / 2, 16)
        return np.stack([edge * np.sin(t), 0.05 - high * np.cos(t)], axis=1)

    inner = [_scallop(a, b, -0.07) for a, b in pairwise(edges)]
    sprite.paint(np.concatenate(inner), colour=scaled(first, 0.4))
    silhouette = sprite.mask(
        np.concatenate(
            [
                rib(edges[0])[::-1],
                rib(edges[-1]),
                *[
                    _scallop(a, b, 0.09)[::-1]
                    for a, b in zip(edges[-2::-1], edges[:0:-1], strict=False)
                ],
            ]
        )
    )
    for number, (a, b) in enumerate(pairwise(edges)):
        panel = np.concatenate([rib(a)[::-1], rib(b), _scallop(a, b, 0.09)[::-1]])
        shade = 1.0 - 0.22 * number / panels
        sprite.paint(
            panel,
            colour=scaled((first, second)[number % 2], shade),
            volume=0.55,
            gloss=0.1,
            inside=silhouette,
        )
        sprite.stroke(rib(b), 0.012, scaled(first, 0.6), inside=silhouette)
    sprite.stroke(points((0, -high + 0.06), (0, -high - 0.08)), 0.04, handle)


def _scallop(a: float, b: float, depth: float) -> Points:
    """The hem of one panel, from x = a to x = b, hanging between the ribs."""
    t = np.linspace(0, 1, 12)
    return np.stack([a + (b - a) * t, 0.05 - depth * np.sin(np.pi * t)], axis=1)


def traffic_light(sprite: Sprite) -> None:
    """A housing with three lamps under hoods, one of them lit, on a pole or hanging."""
    rng = sprite.rng
    body = pick(rng, [(34, 36, 38), (44, 62, 48), (222, 176, 38), (60, 62, 66)])
    wide = rng.uniform(0.27, 0.34)
    pole = pick(rng, [(96, 98, 102), (60, 62, 64), (140, 142, 146)])
    above = rng.random() < 0.35
    sprite.paint(
        points(
            (-0.05, -1 if above else 0),
            (0.05, -1 if above else 0),
            (0.05, 0 if above else 1),
            (-0.05, 0 if above else 1),
        ),
        colour=pole,
        volume=0.6,
    )
    if rng.random() < 0.3:  # a white-rimmed board behind
        sprite.paint(_box(wide + 0.17, 0.88, 0.1), colour=(228, 228, 224))
        sprite.paint(_box(wide + 0.13, 0.84, 0.1), colour=(24, 25, 27))
    sprite.paint(_box(wide, 0.74, 0.08), colour=body, volume=0.45)
    lit = int(rng.choice([0, 0, 1, 2, 2]))
    for number, (y, hue) in enumerate([(-0.46, 0.0), (0.0, 0.115), (0.46, 0.40)]):
        on = number == lit
        radius = wide * 0.66
        sprite.paint(ellipse(0, y, radius * 1.15, radius * 1.15), colour=scaled(body, 0.55))
        colour = hsv(hue, 0.75 if on else 0.8, 1.0 if on else 0.27)
        lamp = sprite.paint(
            ellipse(0, y, radius, radius),
            colour=colour,
            volume=0.15 if on else 0.5,
            gloss=0.0 if on else 0.15,
        )
        if on:
            centre = ellipse(0, y, radius * 0.5, radius * 0.5)
            sprite.paint(centre, colour=hsv(hue, 0.4, 1.0), inside=lamp)
        hood = np.concatenate(
            [
                arc(0, y, radius * 1.22, radius * 1.22, np.pi, 2 * np.pi),
                arc(0, y + 0.05, radius * 1.1, radius * 0.98, 2 * np.pi, np.pi),
            ]
        )
        sprite.paint(hood, colour=scaled(body, 0.8), volume=0.4)
    for number, (y, hue) in enumerate([(-0.46, 0.0), (0.0, 0.115), (0.46, 0.40)]):
        if number == lit:
            sprite.glow(0, y, wide * 1.3, scaled(hsv(hue, 0.9, 1.0), 0.75))


def _box(wide: float, high: float, corner: float) -> Points:
    """A rectangle around the origin with rounded corners."""
    pieces = [
        arc(
            x * (wide - corner),
            y * (high - corner),
            corner,
            corner,
            start,
            start + np.pi / 2,
            count=6,
        )
        for x, y, start in [(1, 1, 0), (-1, 1, np.pi / 2), (-1, -1, np.pi), (1, -1, 1.5 * np.pi)]
    ]
    return np.concatenate(pieces)


def soccer_ball(sprite: Sprite) -> None:
    """The classic ball of 12 pentagons and 20 hexagons in any rotation."""
    rng = sprite.rng
    golden = (1 + np.sqrt(5)) / 2
    corners = np.array([(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)], dtype=np.float64)
    corners = np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    corners = corners @ rotation
    radius = 0.86
    ball_colour = pick(rng, [(246, 246, 244), (238, 238, 234)])
    patch_colour = pick(rng, [(24, 24, 28)] * 4 + [(170, 30, 36), (26, 54, 130)])
    ball = sprite.paint(
        ellipse(0, 0, radius, radius, count=90),
        colour=ball_colour,
        volume=0.8,
        gloss=0.15,
        texture=sprite.noise(60, 236, 255),
    )
    tips: list[Points] = []
    for corner in corners:
        near = corners[np.argsort(-corners @ corner)[1:6]]
        pentagon = corner + (near - corner) / 3  # a third of the way along each edge
        tips.append(pentagon / np.linalg.norm(pentagon, axis=1, keepdims=True))
        for tip, other in zip(tips[-1], near, strict=True):
            middle = corner + other
            seam = np.stack([tip, middle / np.linalg.norm(middle)])
            if (seam[:, 2] > -0.05).all():
                sprite.stroke(seam[:, :2] * radius, 0.016, (120, 122, 126), inside=ball)
    for pentagon in tips:
        if pentagon[:, 2].max() < 0:
            continue
        centre = pentagon.mean(axis=0)
        side = np.cross(centre, pentagon[0])
        order = np.argsort(
            np.arctan2((pentagon - centre) @ side, (pentagon - centre) @ (pentagon[0] - centre))
        )
        visible = pentagon[order]
        behind = visible[:, 2] < 0  # beyond the edge: onto the edge, cut off by `inside`
        visible[behind, :2] /= np.linalg.norm(visible[behind, :2], axis=1, keepdims=True)
        sprite.paint(
            visible[:, :2] * radius, colour=patch_colour, volume=0.3, gloss=0.08, inside=ball
        )


def wall_clock(sprite: Sprite) -> None:
    """A round dial with hands at any time; figures or strokes."""
    rng = sprite.rng
    metal_or_wood = [(40, 40, 44), (120, 70, 36), (190, 190, 194), (196, 160, 80)]
    rim = pick(rng, [*metal_or_wood, (150, 34, 34), (40, 80, 130)])
    dark_dial = rng.random() < 0.15
    pale = [(248, 246, 238), (240, 230, 204), (236, 240, 242)]
    dial_colour = (38, 40, 46) if dark_dial else pick(rng, pale)
    ink = (238, 236, 228) if dark_dial else (30, 30, 34)
    radius, border = 0.9, rng.uniform(0.06, 0.15)
    sprite.paint(ellipse(0, 0, radius, radius, count=90), colour=rim, volume=0.7, gloss=0.25)
    inner = radius - border
    dial = sprite.paint(ellipse(0, 0, inner, inner, count=90), colour=dial_colour, volume=0.25)
    figures = rng.random() < 0.65
    for step, width, length in ((1, 0.012, 0.035), (5, 0.024, 0.035 if figures else 0.09)):
        outward = [
            np.array([np.sin(minute * np.pi / 30), -np.cos(minute * np.pi / 30)])
            for minute in range(0, 60, step)
        ]
        ticks = [np.stack([out * (inner - 0.03), out * (inner - 0.03 - length)]) for out in outward]
        sprite.paint(*[ribbon(tick, width) for tick in ticks], colour=ink, inside=dial)
    if figures:
        roman = ["XII", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI"]
        use_roman = bool(rng.random() < 0.3)
        font = ImageFont.load_default(size=sprite.side * (0.055 if use_roman else 0.075))
        pen = ImageDraw.Draw(sprite.image)
        for hour in range(12):
            angle = hour * np.pi / 6
            x, y = (
                (np.array([np.sin(angle), -np.cos(angle)]) * (inner - 0.18) + 1) * sprite.side / 2
            )
            text = roman[hour] if use_roman else str(hour or 12)
            pen.text((x, y), text, font=font, fill=(*ink, 255), anchor="mm")
    time = rng.uniform(0, 12)
    for turn, length, width in ((time / 12, 0.45, 0.06), (time % 1, 0.68, 0.04)):
        out = np.array([np.sin(turn * 2 * np.pi), -np.cos(turn * 2 * np.pi)])
        hand = np.stack([out * -0.12, out * length * inner / 0.8])
        sprite.paint(ribbon(hand, [width, width * 0.45]), colour=ink, inside=dial)
    if rng.random() < 0.6:
        out = np.array([np.sin(time * 40), -np.cos(time * 40)])
        sprite.stroke(np.stack([out * -0.16, out * 0.62]), 0.012, (196, 40, 36), inside=dial)
    sprite.paint(ellipse(0, 0, 0.04, 0.04), colour=ink)
