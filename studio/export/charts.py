"""Lines and points as SVG takes them, for a report that needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.numbers import count, percent

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 12, 40
"""Room around the plot, for what is written at its edges."""
MOST_POINTS = 200
"""Of a line: more could not be told apart at this width."""
MAP_SIDE = 560
MOST_ON_MAP = 4000
"""Points that are drawn, evenly spread over all: 100 kB of the file."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line of a chart. style: 1 to 4, its colour and dash; points: (x, y) as SVG has them."""

    name: str
    style: int
    points: str
    last: str


@dataclass(frozen=True)
class Tick:
    """A number at an edge. at: where, along the edge."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines over steps or epochs. about: what it shows, in a sentence for who cannot see it."""

    title: str
    x_title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]

    @property
    def about(self) -> str:
        """Where each line ends."""
        return f"{self.title}. " + " ".join(
            f"{line.name}: {line.last} at the end." for line in self.lines
        )


def chart(
    title: str, lines: Iterable[tuple[str, Points]], *, x_title: str, shares: bool
) -> Chart | None:
    """A chart of the lines that have at least two points; None where there is none.

    lines: (name, points); shares: y is a share in [0, 1], else it is a number from 0 upwards.
    """
    drawn = [(name, _thin(points)) for name, points in lines if len(points) > 1]
    if not drawn:
        return None
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    low, high = min(xs), max(max(xs), min(xs) + 1)
    top = 1.0 if shares else max(max(ys), 1e-9) * 1.05

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - max(0.0, y) / top * (HEIGHT - TOP - BOTTOM)

    made = tuple(
        Line(
            name, 1 + number % 4,
            " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in points),
            percent(points[-1][1]) if shares else f"{points[-1][1]:.2f}",
        )
        for number, (name, points) in enumerate(drawn)
    )  # fmt: skip
    middle = float(round((low + high) / 2))
    steps = [0, 0.25, 0.5, 0.75, 1] if shares else [0, top / 2.1, top / 1.05]
    return Chart(
        title, x_title, made,
        tuple(Tick(at(x, 0)[0], count(round(x))) for x in sorted({low, middle, high})),
        tuple(Tick(at(low, y)[1], percent(y) if shares else f"{y:.2f}") for y in steps),
    )  # fmt: skip


def _thin(points: Points) -> Points:
    """Evenly spread points of a long line, its ends included."""
    if len(points) <= MOST_POINTS:
        return points
    return [points[round(i)] for i in np.linspace(0, len(points) - 1, MOST_POINTS)]


@dataclass(frozen=True)
class Plane:
    """Images as points: clean ones as dots, noisy ones as open diamonds; paths of SVG."""

    clean: str
    noisy: str
    drawn: int


def plane(places: NDArray[np.float32], clean: NDArray[np.bool_]) -> Plane:
    """A map. places: (N, 2) in [-1, 1]; clean: (N,)."""
    step = max(1, -(-len(places) // MOST_ON_MAP))
    chosen = np.arange(0, len(places), step)
    spots = (1 + places[chosen] * (1, -1)) / 2 * (MAP_SIDE - 16) + 8
    dots, diamonds = [], []
    for (x, y), is_clean in zip(spots.tolist(), clean[chosen].tolist(), strict=True):
        if is_clean:
            dots.append(f"M{x:.0f} {y:.0f}h0")
        else:
            diamonds.append(f"M{x - 4:.0f} {y:.0f}l4-4 4 4-4 4z")
    return Plane("".join(dots), "".join(diamonds), len(chosen))
