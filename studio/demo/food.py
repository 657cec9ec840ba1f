"""Drawings of things to eat: each paints one object on a sprite, with the variety of its kind."""

from __future__ import annotations

import numpy as np

from studio.demo.brush import (
    Points,
    Sprite,
    arc,
    ellipse,
    hsv,
    moved,
    pick,
    points,
    ribbon,
    scaled,
    smooth,
    turned,
)


def banana(sprite: Sprite) -> None:
    """One to four curved fruits that share a stem; green, yellow or spotted."""
    rng = sprite.rng
    ripeness = rng.uniform(-0.3, 1)
    skin = hsv(0.145 - 0.03 * min(ripeness, 0) - 0.012 * ripeness, 0.8, rng.uniform(0.85, 0.98))
    brown = (92, 66, 30)
    bend = rng.uniform(0.75, 1.1)
    count = rng.choice([1, 1, 2, 3, 4])
    for number in range(count):
        spread = (number - (count - 1) / 2) * 0.17
        line = arc(0, -0.55 + 0.35 * abs(spread), 0.82, bend, np.pi * 0.06, np.pi * 0.94)
        line = moved(turned(moved(line, 0.78, 0), spread * 1.2), -0.78, 0)
        along = np.linspace(0, 1, len(line))
        widths = 0.34 * np.clip(np.sin(np.pi * (0.06 + 0.88 * along)), 0.14, None) ** 0.6
        body = sprite.paint(ribbon(line, widths), colour=skin, volume=0.75, gloss=0.12)
        for side in (-0.16, 0.2):  # the edges between the flat faces
            edge = ribbon(line, widths * side)[: len(line)]
            sprite.stroke(edge[3:-3], 0.018, scaled(skin, 0.8), inside=body)
        if ripeness > 0.35:
            spots = rng.uniform(-1, 1, (int(26 * ripeness), 2))
            shapes = [
                ellipse(x, y, *rng.uniform(0.008, 0.035, 2), turn=rng.uniform(0, 3), count=10)
                for x, y in spots
            ]
            sprite.paint(*shapes, colour=scaled(brown, 1.1), inside=body)
        sprite.paint(ribbon(line[:2], 0.1), colour=brown)
        stalk = ribbon(moved(line[-3:], 0, -0.03), np.linspace(0.1, 0.08, 3))
        sprite.paint(stalk, colour=scaled(skin, 0.72))
    sprite.paint(ribbon(line[-2:] + points((0, -0.03), (-0.02, -0.1)), 0.1), colour=brown)


def strawberry(sprite: Sprite) -> None:
    """A red heart of a fruit with seeds in rows and a green star on top."""
    rng = sprite.rng
    wide, long = rng.uniform(0.55, 0.75), rng.uniform(0.7, 0.92)
    right = smooth(
        points((0, -0.52), (0.5, -0.6), (0.98, -0.28), (0.82, 0.2), (0.36, 0.78), (0, 0.95)),
        closed=False,
    )
    outline = np.concatenate([right, right[::-1] * (-1, 1)]) * (wide, long)
    red = pick(rng, [(214, 26, 38), (196, 18, 32), (228, 52, 44)])
    fruit = sprite.paint(outline, colour=red, volume=0.85, gloss=0.35)
    dents, seeds = [], []
    for row, y in enumerate(np.arange(-0.42, 0.85, 0.17)):
        for x in np.arange(-0.9, 0.91, 0.2) + (row % 2) * 0.1:
            # crowded and narrow towards the sides, as on a round body
            at = (np.sin(x * 1.35) * wide * 0.98, y * long + rng.normal(0, 0.008))
            dents.append(ellipse(*at, 0.034 * np.cos(x), 0.046, count=12))
            seeds.append(ellipse(at[0], at[1] + 0.006, 0.02 * np.cos(x), 0.034, count=10))
    sprite.paint(*dents, colour=scaled(red, 0.72), inside=fruit)
    sprite.paint(*seeds, colour=pick(rng, [(240, 205, 110), (226, 180, 84)]), inside=fruit)
    green = pick(rng, [(70, 140, 48), (54, 118, 44), (96, 158, 60)])
    top = -0.5 * long
    for angle in np.linspace(0.15, np.pi - 0.15, 6) + rng.normal(0, 0.08, 6):
        tip = np.array([np.cos(angle) * 0.5 * wide / 0.65, top + np.sin(angle) * 0.3])
        leaf = smooth(
            points(
                (-0.06, top),
                tuple(tip * 0.55 + (-0.06, top * 0.45)),
                tuple(tip),
                tuple(tip * 0.55 + (0.08, top * 0.45)),
                (0.06, top),
            )
        )
        sprite.paint(leaf, colour=scaled(green, rng.uniform(0.85, 1.15)), volume=0.5)
    stalk = smooth(points((0, top), (0.03, top - 0.14), (0.1, top - 0.26)), closed=False)
    sprite.paint(ribbon(stalk, 0.055), colour=green, volume=0.4)


def lemon(sprite: Sprite) -> None:
    """The whole fruit with its nipple, or a half that shows the segments."""
    rng = sprite.rng
    yellow = pick(rng, [(246, 214, 40), (250, 226, 62), (236, 206, 30)])
    pores = sprite.noise(90, 205, 255)
    if rng.random() < 0.62:
        wide, high = rng.uniform(0.78, 0.9), rng.uniform(0.56, 0.68)
        body = ellipse(0, 0, wide, high)
        # both ends drawn out into a blunt tip
        body[:, 0] += np.sign(body[:, 0]) * 0.13 * np.abs(body[:, 0] / wide) ** 14
        sprite.paint(body, colour=yellow, volume=0.85, gloss=0.4, texture=pores)
        sprite.paint(ellipse(-wide - 0.08, 0, 0.035, 0.05), colour=(130, 132, 52))
        if rng.random() < 0.4:
            _leaf(sprite, -wide - 0.05, -0.02, rng.uniform(-1.2, -0.5))
        return
    radius = rng.uniform(0.68, 0.85)
    flat = rng.uniform(0.75, 1.0)
    sprite.paint(ellipse(0, 0.06, radius, radius * flat), colour=scaled(yellow, 0.82), volume=0.6)
    sprite.paint(ellipse(0, 0, radius, radius * flat), colour=yellow, texture=pores)
    sprite.paint(ellipse(0, 0, radius * 0.92, radius * flat * 0.92), colour=(252, 246, 214))
    flesh = pick(rng, [(247, 226, 104), (244, 216, 84), (250, 234, 130)])
    first = rng.uniform(0, 1)
    for angle in np.linspace(0, 2 * np.pi, 10)[:-1] + first:
        outer = arc(0, 0, 0.84, 0.84, angle + 0.06, angle + 0.63, count=8)
        inner = points((0.09 * np.cos(angle + 0.35), 0.09 * np.sin(angle + 0.35)))
        segment = smooth(np.concatenate([inner, outer]), steps=4) * (radius, radius * flat)
        sprite.paint(segment, colour=flesh, volume=0.35, texture=sprite.noise(40, 215, 255))


def pizza(sprite: Sprite) -> None:
    """A pizza, whole, with a piece taken out, or a single slice; from above or from the side."""
    rng = sprite.rng
    flat = rng.uniform(0.6, 1.0)
    kind = rng.choice(["whole", "cut into", "slice"], p=[0.45, 0.25, 0.3])
    if kind == "slice":
        start, size, centre = np.pi / 2 - 0.36, 0.72, (0.0, -0.85)
        scale = 1.85
    else:
        start, size, centre = rng.uniform(0, 2 * np.pi), 2 * np.pi, (0.0, 0.0)
        size -= rng.uniform(0.6, 1.0) if kind == "cut into" else 0
        scale = 0.95
    wobble = np.cumsum(rng.normal(0, 0.012, 90))
    wobble -= np.linspace(0, wobble[-1], 90)  # closes on itself
    dough = pick(rng, [(214, 160, 92), (198, 138, 70), (226, 180, 112)])
    sauce = pick(rng, [(190, 58, 26), (206, 80, 36), (176, 48, 28)])
    cheese = pick(rng, [(246, 206, 112), (250, 218, 140), (238, 188, 92)])

    def disc(radius: float, drop: float = 0.0) -> Points:
        rim = arc(0, 0, 1, 1, start, start + size, count=90) * (radius + wobble)[:, None]
        if kind != "whole":
            rim = np.concatenate([rim, points((0, 0))])
        return rim * (scale, scale * flat) + (centre[0], centre[1] * flat + drop)

    def on_top(distance: float, angle: float) -> tuple[float, float]:
        x, y = scale * distance * np.cos(angle), scale * flat * distance * np.sin(angle)
        return x + centre[0], y + centre[1] * flat

    def somewhere(reach: float) -> tuple[float, float]:
        return on_top(reach * np.sqrt(rng.random()), start + size * rng.random())

    sprite.paint(disc(0.97, 0.07), colour=scaled(dough, 0.6), volume=0.4)
    baked = sprite.noise(34, 150, 255)
    whole = sprite.paint(disc(0.97), colour=dough, volume=0.7, texture=baked)
    sprite.paint(disc(0.86), colour=sauce, inside=whole, texture=baked)
    top = sprite.paint(disc(0.82), colour=sauce, inside=whole)
    # melted cheese: many patches with sauce between them, paler or browned here and there
    tones = [cheese, scaled(cheese, 0.93), scaled(cheese, 1.05), (252, 238, 196), (222, 148, 62)]
    for tone, count in zip(tones, (20, 18, 18, 8, 6), strict=True):
        patches = []
        for _ in range(count):
            x, y = somewhere(0.84)
            rx, ry = rng.uniform(0.06, 0.19, 2) * scale * 0.8
            patches.append(ellipse(x, y, rx, ry * flat, turn=rng.uniform(0, 3), count=24))
        sprite.paint(*patches, colour=tone, volume=0.3, inside=top)
    unit = 0.125 * (1.5 if kind == "slice" else 1.0)
    kinds = ["salami", *rng.permutation(["olive", "basil", "pepper", "salami"])[:2]]
    for topping in kinds:
        for _ in range(int(rng.integers(5, 12))):
            x, y = somewhere(0.76)
            if topping == "salami":
                red = pick(rng, [(178, 46, 34), (160, 36, 28), (196, 70, 46)])
                rim = ellipse(x, y + 0.012, unit * 1.06, unit * 1.06 * flat)
                sprite.paint(rim, colour=scaled(red, 0.6), inside=top)
                disc_mask = sprite.paint(
                    ellipse(x, y, unit, unit * flat),
                    colour=red,
                    inside=top,
                    volume=0.45,
                    texture=sprite.noise(50, 190, 255),
                )
                dots = [
                    ellipse(x + dx, y + dy * flat, 0.014, 0.012, count=8)
                    for dx, dy in rng.uniform(-unit, unit, (7, 2))
                ]
                sprite.paint(*dots, colour=scaled(red, 1.35), inside=disc_mask)
            elif topping == "olive":
                ring = ellipse(x, y, unit * 0.45, unit * 0.45 * flat)
                sprite.paint(ring, colour=(40, 38, 42), volume=0.5, gloss=0.2, inside=top)
                sprite.paint(
                    ellipse(x, y, unit * 0.18, unit * 0.18 * flat), colour=cheese, inside=top
                )
            elif topping == "basil":
                leaf = ellipse(x, y, unit * 0.9, unit * 0.42 * flat, turn=rng.uniform(0, 3))
                green = pick(rng, [(56, 120, 44), (76, 140, 54)])
                sprite.paint(leaf, colour=green, volume=0.6, inside=top)
            else:
                turn = rng.uniform(0, 6)
                strip = arc(x, y, unit * 0.8, unit * 0.8 * flat, turn, turn + 2.4)
                sprite.stroke(strip, 0.035, pick(rng, [(74, 150, 58), (214, 60, 40)]), inside=top)


def mushroom(sprite: Sprite) -> None:
    """Cap, gills and stem; fly agaric, penny bun or button mushroom."""
    rng = sprite.rng
    kind = rng.choice(["agaric", "bun", "button"])
    cap_colour = {
        "agaric": pick(rng, [(206, 40, 26), (222, 72, 30)]),
        "bun": pick(rng, [(146, 92, 50), (118, 74, 44), (172, 118, 70)]),
        "button": pick(rng, [(232, 220, 202), (216, 200, 178)]),
    }[kind]
    stem_colour = pick(rng, [(238, 230, 212), (226, 212, 186)])
    thick = {"agaric": 0.2, "bun": 0.34, "button": 0.3}[kind] * rng.uniform(0.85, 1.15)
    lean = rng.normal(0, 0.06)
    stem_line = smooth(points((0, -0.2), (lean, 0.3), (lean * 1.5, 0.92)), closed=False)
    along = np.linspace(0, 1, len(stem_line))
    stem = sprite.paint(
        ribbon(stem_line, thick * (1 + 0.45 * along**2)), colour=stem_colour, volume=0.7
    )
    for offset in rng.uniform(-0.5, 0.5, 5) * thick:
        sprite.stroke(moved(stem_line, offset, 0), 0.01, scaled(stem_colour, 0.88), inside=stem)
    wide, high = rng.uniform(0.72, 0.95), rng.uniform(0.55, 0.85)
    gills = sprite.paint(
        ellipse(0, -0.1, wide * 0.97, 0.17), colour=scaled(stem_colour, 0.72), volume=0.3
    )
    for x in np.linspace(-wide, wide, 23):
        sprite.stroke(
            points((x * 0.25, -0.2), (x, 0.06)), 0.012, scaled(stem_colour, 0.58), inside=gills
        )
    if kind == "agaric" and rng.random() < 0.7:
        ring = smooth(
            points(
                (-thick * 0.6, 0.12), (thick * 0.6, 0.12), (thick, 0.24), (0, 0.29), (-thick, 0.24)
            )
        )
        sprite.paint(ring, colour=stem_colour, volume=0.5)
    dome = arc(0, -0.1, wide, high, np.pi, 2 * np.pi, count=40)
    brim = arc(0, -0.1, wide, 0.1, 0, np.pi, count=30)
    cap = sprite.paint(
        np.concatenate([dome, brim]),
        colour=cap_colour,
        volume=0.85,
        gloss=0.25 if kind != "button" else 0.0,
        texture=sprite.noise(14, 225, 255),
    )
    if kind == "agaric":
        for _ in range(int(rng.integers(12, 24))):
            across, up = rng.uniform(-0.9, 0.9), rng.uniform(0.02, 0.9)
            at = (wide * across * np.sqrt(1 - up**2), -0.12 - high * up)
            size = rng.uniform(0.025, 0.07)
            sprite.paint(
                ellipse(*at, size * np.cos(across), size * 0.75),
                colour=(244, 238, 224),
                inside=cap,
                volume=0.3,
            )


def _leaf(sprite: Sprite, x: float, y: float, direction: float) -> None:
    shape = smooth(
        points((0, 0), (0.18, -0.11), (0.42, -0.06), (0.55, 0.02), (0.36, 0.1), (0.15, 0.08))
    )
    green = pick(sprite.rng, [(62, 122, 46), (82, 140, 56)])
    leaf = sprite.paint(moved(turned(shape, direction), x, y), colour=green, volume=0.5)
    vein = moved(turned(points((0, 0), (0.5, 0.02)), direction), x, y)
    sprite.stroke(vein, 0.012, scaled(green, 1.3), inside=leaf)
