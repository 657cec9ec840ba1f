"""What each click on the page costs with very many images, without a browser.

    python tools/make_large_run.py OUT --images 1000000
    python tools/measure_page.py OUT [OUT ...]
    python tools/measure_page.py --tiny

Calls what a click calls, the handlers of the page, on the folders that `tools/make_large_run.py`
made; each in a process of its own. In each cell: processor seconds, and MB that the process holds
at its peak meanwhile, files that are only mapped left out (the system takes those back when it
needs room; they are in brackets). Rows in brackets are what goes on in the background until a click
can be answered; a person sees how far it is. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MB = 2**20

PARTS = ("opening", "galleries", "map", "searching", "detail", "comparing", "asking", "export")
"""Of the page, in the order in which a person may come to them."""

Row = tuple[str, float, int, int]
"""What is done, seconds, bytes of its own and of mapped files at the peak."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="*", metavar="OUT")
    parser.add_argument("--tiny", action="store_true", help="300 images; the numbers mean nothing")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        for row in measured(options.out[0], options.parts):
            print(json.dumps(row), flush=True)
        return 0
    if not options.tiny:
        print(report({place: run(place, options.parts) for place in options.out}))
        return 0
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        place = Path(folder) / "tiny"
        maker = [sys.executable, str(ROOT / "tools" / "make_large_run.py"), str(place)]
        subprocess.run([*maker, "--images", "300", "--classes", "5"], check=True)
        print(report({place: run(place, options.parts)}))
    return 0


def run(place: Path, parts: Sequence[str]) -> list[Row]:
    """All clicks on one folder, in a process of its own; what it says goes on to the terminal."""
    command = [sys.executable, __file__, str(place), "--one", "--parts", *parts]
    rows: list[Row] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            rows.append(tuple(json.loads(line)))
            print(place.name, *rows[-1][:2], file=sys.stderr, flush=True)
    if process.returncode:
        rows.append((f"ended with code {process.returncode}", 0.0, 0, 0))
    return rows


def report(found: dict[Path, list[Row]]) -> str:
    """A table with a column for each folder."""
    names = list(dict.fromkeys(row[0] for rows in found.values() for row in rows))
    lines = [f"| click | {' | '.join(place.name for place in found)} |", "|---" * (len(found) + 1)]
    for name in names:
        cells = []
        for rows in found.values():
            row = next((r for r in rows if r[0] == name), None)
            cells.append("" if row is None else _cell(row))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([lines[0], lines[1] + "|", *lines[2:]])


def _cell(row: Row) -> str:
    return f"{row[1]:.2f} s, {row[2] / MB:,.0f} ({row[3] / MB:,.0f}) MB"


# In the process that is measured ------------------------------------------------------------------


@dataclass
class Meter:
    """Measures one thing after another."""

    rows: list[Row] = field(default_factory=list)

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """Do it; what it gives. The row is in `rows`."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        began = time.process_time()  # beside other work, the clock says little
        value = work()
        seconds = time.process_time() - began
        now = memory()
        # The peak is known of all together; what is mapped from files is taken off as it is now.
        mapped = now["RssFile"] + now["RssShmem"]
        self.rows.append((name, seconds, max(now["RssAnon"], now["VmHWM"] - mapped), mapped))
        return value


def memory() -> dict[str, int]:
    """Bytes of this process, by the names that Linux gives them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    parts = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(size) for name, size, _ in parts}


def measured(place: Path, parts: Sequence[str]) -> Iterator[Row]:
    """The rows of one folder, as they come."""
    page, meter = Page.of(place), Meter()
    for part in parts:
        for _ in globals()[f"_{part}"](page, meter):
            yield from meter.rows
            meter.rows.clear()


@dataclass
class Page:
    """The tabs of a page, without a server."""

    session: Any
    explore: Any
    compare: Any
    export: Any
    train: Any
    runs: list[str]

    @classmethod
    def of(cls, place: Path) -> Page:
        import gradio as gr

        from studio.memory import keep_freed_memory
        from studio.runs.store import RunStore
        from studio.runs.worker import Worker
        from studio.session.options import Options
        from studio.session.session import Session
        from studio.ui.compare import CompareTab
        from studio.ui.explore.tab import ExploreTab
        from studio.ui.export import ExportTab
        from studio.ui.train.parts import TrainParts

        keep_freed_memory()  # as the page does: what was taken once stays taken
        options = Options(runs_dir=place / "runs", cache_dir=place / "cache")
        worker = Worker(RunStore(options.runs_dir), cache_dir=options.cache_dir)
        session = Session(options, worker)
        explore, compare, export = ExploreTab(session), CompareTab(session), ExportTab(session)
        with gr.Blocks():
            for tab in (explore, compare, export):
                tab.build()
        runs = [info.id for info in session.store.list()]
        return cls(session, explore, compare, export, TrainParts(session), runs)


def sent(**data: Any) -> Any:
    """An event of a component."""
    return SimpleNamespace(_data=data)


def _filters(page: Page, **more: Any) -> Any:
    from studio.ui.explore.scene import Filters

    return Filters(**{"run": page.runs[0], "panel": "galleries", **more})


def _until_ready(tasks: Callable[[], Any]) -> None:
    """Wait for what the page shows the progress of."""
    task = tasks()
    if task is not None:
        task.result()


def _opening(page: Page, meter: Meter) -> Iterator[None]:
    from studio.session.opened import open_run
    from studio.session.similar import vectors_of

    yield meter("the list of runs", lambda: page.train.all(False, "", "page"))
    filters = _filters(page, panel="map")
    yield meter("what there is to choose", lambda: page.explore.choices(None))
    yield meter("open the run", lambda: page.explore.draw(filters))
    yield meter("open the run, once more", lambda: page.explore.draw(filters))
    ready = open_run(page.session, page.runs[0])
    yield meter("(its features)", lambda: _until_ready(lambda: vectors_of(ready)))


def _galleries(page: Page, meter: Meter) -> Iterator[None]:
    from studio.ui.explore.answers import all_of_side
    from studio.ui.explore.scene import AGAINST_TRUTH, COMBINED, OF_NONE

    tab, session = page.explore, page.session
    name = session.reader(page.runs[0]).class_names[1]

    def look(**more: Any) -> Callable[[], Any]:
        return lambda: tab.draw(_filters(page, **more))

    yield meter("galleries, clean and noisy", look())
    turned = {"clean": 5, "noisy": 9}
    yield meter("next page of clean ones",
                lambda: tab.turn(_filters(page, pages=turned), name="clean", by=1))  # fmt: skip
    yield meter("noisy ones, each class in turn", look(noisy_order="turns"))
    yield meter("one class", look(label=name))
    yield meter("models disagree", look(disagree=True))
    yield meter("by the combined score", look(by=COMBINED))
    yield meter("before training", look(stage="zero-shot"))
    yield meter("confusions", look(panel="confusions"))
    yield meter("confusions with the truth", look(panel="confusions", against=AGAINST_TRUTH))
    yield meter("of none of the classes", look(panel="duplicates", kind=OF_NONE))
    key = meter("select all noisy ones", lambda: tab.select(
        _filters(page), find=lambda *a: all_of_side(*a, side="noisy")))  # fmt: skip
    yield None
    yield meter("what is selected", lambda: tab.selected(_filters(page, selection=key)))
    yield meter("within the selection", look(selection=key, within=True))
    yield meter("tick an image", lambda: tab.tick(_filters(page), sent(images=[3], on=True)))


def _map(page: Page, meter: Meter) -> Iterator[None]:
    tab, board, asked = page.explore, page.explore.map, {"run": page.runs[0]}

    def placed() -> None:
        while isinstance(found := board.placed(asked), dict):
            if not found.get("again"):
                raise SystemExit(f"there is no map: {found}")
            time.sleep(0.05)

    yield meter("(the map's places)", placed)
    points = meter("the map", lambda: board.points(asked))
    sizes = {"text": len(json.dumps(points))}
    yield None
    around = {"how": "lasso", "xs": [-0.4, 0.4, 0.4, -0.4], "ys": [-0.4, -0.4, 0.4, 0.4]}
    filters = _filters(page, panel="map")
    key = meter("a lasso", lambda: tab.on_map(filters, sent(**around), pick=board.pick))
    yield None
    chosen = _filters(page, panel="map", selection=key)
    yield meter("what the lasso took", lambda: tab.selected(chosen))
    yield meter("its points", lambda: board.selected({**asked, "selection": key}))
    yield meter("the image under the pointer", lambda: board.image({**asked, "index": 7}))
    yield meter("the map as a table", lambda: board.table(asked))
    print(f"the map is {sizes['text'] / MB:.1f} MB of text", file=sys.stderr)


def _searching(page: Page, meter: Meter) -> Iterator[None]:
    tab = page.explore
    yield meter("(the first search)", lambda: list(tab.search.search("a boat", page.runs[0])))
    for text in ("search in words", "search, once more"):
        answers = meter(text, lambda: list(tab.search.search("a dog on a beach", page.runs[0])))
        yield None
    found = _filters(page, panel="map", selection=answers[-1][1])
    yield meter("what was found", lambda: tab.selected(found))


def _detail(page: Page, meter: Meter) -> Iterator[None]:
    tab = page.explore
    html = meter("an image, large", lambda: tab.open_image(
        _filters(page), sent(pick="40"), name="clean"))  # fmt: skip
    yield None
    place = place_of(html)
    yield meter("the next image", lambda: tab.detail.show({**place, "step": 1}))
    yield meter("its nearest images", lambda: tab.detail.nearest(place))
    yield meter("accept its label", lambda: tab.detail.answer({**place, "verdict": "accepted"}))
    yield meter("galleries, with corrections", lambda: tab.draw(_filters(page)))
    yield meter("take it back", lambda: tab.detail.undo(place))
    yield meter("correct one by one", lambda: tab.one_by_one(_filters(page, panel="map")))


def place_of(html: str) -> dict[str, Any]:
    """What a dialog has open, as its script reads it."""
    import html as texts
    import re

    found = re.search(r'data-place="([^"]+)"', html)
    return dict(json.loads(texts.unescape(found[1]))) if found else {}


def _comparing(page: Page, meter: Meter) -> Iterator[None]:
    tab = page.compare
    ids = meter("runs to compare", lambda: tab.choices([]))[1]
    yield None
    yield meter("compare two runs", lambda: tab.overview(ids))
    yield meter("where they differ, first", lambda: tab.differences(ids, "all"))
    yield meter("where they differ", lambda: tab.differences(ids, "all"))
    yield meter("its next page", lambda: tab.turn(1)(ids, "all", 0))
    yield meter("only one is right", lambda: tab.differences(ids, "only-0"))


def _asking(page: Page, meter: Meter) -> Iterator[None]:
    from studio.session.ask import preparing
    from studio.session.opened import open_run

    ask, run = page.explore.ask, page.runs[0]
    opened = open_run(page.session, run)
    yield meter("(before 20 images worth a look)", lambda: _until_ready(lambda: preparing(opened)))
    html = meter("20 images worth a look", lambda: list(ask.start(run)))[-1][1]
    yield None
    place = place_of(str(html))
    answer = {**place, "verdict": "accepted"}
    yield meter("an answer to one of them", lambda: page.explore.detail.answer(answer))
    yield meter("check these labels", lambda: list(ask.start(run, checking=True)))
    yield meter("open the run, with answers", lambda: page.explore.draw(_filters(page)))
    yield meter("take the answer back", lambda: page.explore.detail.undo(place))


def _export(page: Page, meter: Meter) -> Iterator[None]:
    from studio.export.formats import FORMATS

    tab, run = page.export, page.runs[0]
    yield meter("what there is to export", lambda: tab.choices(None))
    yield meter("the export tab", lambda: tab.show(run))
    for name, chosen in FORMATS.items():
        if name not in ("csv", "model"):
            yield meter(f"files for {chosen.title}", lambda n=name: tab.show_files(run, n, False))
    yield meter("labels.csv", lambda: tab.make_labels(run))


if __name__ == "__main__":
    sys.exit(main())
