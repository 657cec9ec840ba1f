from __future__ import annotations

import json

import torch

from studio.coft.events import Monitor, Step
from studio.runs.compared import LETTERS, ComparedRun
from studio.runs.curves import Curves
from studio.runs.measured import Score
from studio.views.compare_figures import SYMBOLS, figures, numbers
from tests.views.test_compare import info


def step(phase: int, model: int, n: int, loss: float) -> Step:
    return Step(phase, model, n, 3, 1, 2, loss, 0.1)


def lines(place: int, *, name: str = "run", phases: int = 2, scores: bool = True) -> ComparedRun:
    curves = Curves(run=f"id-{place}")
    for phase in range(1, phases + 1):
        for model in (0, 1):
            for n in range(1, 4):
                curves.add(step(phase, model, n, 1.0 / n + place))
        for epoch in (1, 2):
            none = torch.zeros(0)
            curves.add(Monitor(phase, epoch, 2, none, none, 0.5 + 0.1 * epoch, 0.25))
    if scores:
        curves.add(Score("zero-shot", {"accuracy": 0.5}))
        curves.add(Score("finished", {"accuracy": 0.75, "clean_precision": 0.9}))
    return ComparedRun(place, info(place, name=name), curves=curves)


def test_one_figure_holds_a_line_of_each_run() -> None:
    found = {figure["key"]: figure for figure in figures([lines(0), lines(1)])}
    assert list(found) == ["loss1", "loss2", "clean", "agreement", "accuracy", "clean_precision"]
    assert len(found["loss1"]["traces"]) == 4  # two models each
    for key in ("clean", "agreement", "accuracy"):
        assert [trace["name"][0] for trace in found[key]["traces"]] == ["A", "B"]
    json.dumps(list(found.values()))


def test_a_run_is_told_without_its_colour_and_a_model_by_its_dash() -> None:
    runs = [lines(n) for n in range(len(LETTERS))]
    for figure in figures(runs):
        seen: dict[str, tuple[str, str]] = {}
        for trace in figure["traces"]:
            symbol = trace["marker"]["symbol"]
            first = symbol if isinstance(symbol, str) else symbol[0]
            mark = (trace["line"]["color"], first.removesuffix("-open"))
            assert seen.setdefault(trace["name"][0], mark) == mark
        assert len({color for color, _ in seen.values()}) == len(LETTERS)
        assert {symbol for _, symbol in seen.values()} == set(SYMBOLS)
    loss = figures(runs)[0]
    dashes = {trace["name"]: trace["line"]["dash"] for trace in loss["traces"]}
    assert dashes["A, model 1"] != dashes["A, model 2"]
    assert dashes["A, model 1"] == dashes["B, model 1"]


def test_full_markers_begin_with_phase_two() -> None:
    found = {figure["key"]: figure for figure in figures([lines(0)])}
    symbols = found["clean"]["traces"][0]["marker"]["symbol"]
    assert symbols == ["circle-open", "circle-open", "circle", "circle"]
    assert "Full markers: Phase II" in found["clean"]["hint"]
    alone = {figure["key"]: figure for figure in figures([lines(0, phases=1)])}
    assert "markers" not in alone["clean"]["hint"]
    assert all(figure["hint"] for figure in alone.values())


def test_what_only_one_run_has_is_still_drawn() -> None:
    found = {f["key"]: f for f in figures([lines(0, scores=False), lines(1, phases=1)])}
    assert [t["name"][0] for t in found["accuracy"]["traces"]] == ["B"]
    assert [t["name"][0] for t in found["loss2"]["traces"]] == ["A", "A"]
    untrained = ComparedRun(0, info(0))
    assert figures([untrained]) == []
    assert numbers([untrained]) == ""


def test_the_twin_of_the_figures_says_the_same_in_words_and_tables() -> None:
    html = numbers([lines(0), lines(1)])
    assert "<details" in html
    assert html.count('<th scope="col">run</th>') == 2
    assert html.count("<td>A</td>") == html.count("<td>B</td>") == 4 + 2
    assert html.count("<tr>") == 1 + 2 * 4 + 1 + 2 * 2
    for figure in figures([lines(0), lines(1)]):
        assert figure["title"] in html
        assert "A" in figure["summary"]
    assert "50.0 % (zero-shot) to 75.0 % (final labels)" in html


def test_a_name_is_no_markup_and_not_longer_than_a_legend() -> None:
    name = "<b>x</b>" + "y" * 100
    for figure in figures([lines(0, name=name)]):
        for trace in figure["traces"]:
            assert "<" not in trace["name"]
            assert len(trace["name"]) < 60
            assert trace["meta"].startswith(f"A {name}")  # in full, where it is pointed at
