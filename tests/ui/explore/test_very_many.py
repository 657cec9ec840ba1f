"""A run of 100,000 images: no click goes through them one by one, or makes large tables of them."""

from __future__ import annotations

import cProfile
import pstats
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.session.session import Session
from studio.ui.compare import CompareTab
from studio.ui.explore.answers import all_of_side
from studio.ui.explore.scene import COMBINED, OF_NONE, Filters
from studio.ui.explore.tab import ExploreTab
from tests.ui.conftest import explore_tab, open_studio
from tools.make_large_run import Made, write_run

IMAGES, CLASSES = 100_000, 30
MOST_CALLS, MOST_BYTES = 60_000, 16 * IMAGES * 8
"""Of Python functions, where one an image would be 100,000; and sixteen numbers an image."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two runs of it; the images themselves are gone."""
    folder = tmp_path_factory.mktemp("very many")
    made = Made.of(IMAGES, CLASSES, 0)
    images = [
        SimpleNamespace(path=f"{made.names[group]}/{i}.jpg")
        for i, group in enumerate(made.group.tolist())
    ]
    with open_studio(folder) as studio:
        for number in range(2):
            gone: Any = SimpleNamespace(images=images, root=Path("/gone"))
            write_run(studio.options.runs_dir, made, gone, number)
        yield studio


def costs(click: Callable[[], Any]) -> tuple[int, int]:
    """Calls of Python functions, and bytes at the peak, of a click that was made before."""
    click()
    profile = cProfile.Profile(builtins=False)
    profile.runcall(click)
    tracemalloc.start()
    click()
    bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return int(pstats.Stats(profile).total_calls), bytes  # type: ignore[attr-defined]


@pytest.mark.slow
def test_no_click_goes_through_all_images_one_by_one(session: Session) -> None:
    tab, compare = explore_tab(session), CompareTab(session)
    runs = [info.id for info in session.store.list()]
    name = session.reader(runs[0]).class_names[1]

    def draw(**more: Any) -> Callable[[], Any]:
        return lambda: tab.draw(Filters(**{"run": runs[0], "panel": "galleries", **more}))

    def select() -> str:
        filters = Filters(run=runs[0])
        return tab.select(filters, find=lambda *a: all_of_side(*a, side="noisy"))

    chosen = select()
    clicks = {
        "map": draw(panel="map"), "galleries": draw(), "last page": draw(pages={"noisy": 10**6}),
        "turns": draw(noisy_order="turns"), "one class": draw(label=name),
        "combined": draw(by=COMBINED), "confusions": draw(panel="confusions"),
        "none": draw(panel="duplicates", kind=OF_NONE), "select": select,
        "selected": draw(panel="map", selection=chosen),
        "compare": lambda: compare.overview(runs),
        "differ": lambda: compare.match(compare.compared(runs)[0]).runs.select("only-0"),
    }  # fmt: skip
    for what, click in clicks.items():
        calls, bytes = costs(click)
        assert calls < MOST_CALLS, what
        assert bytes < MOST_BYTES, what
    assert isinstance(tab, ExploreTab)
