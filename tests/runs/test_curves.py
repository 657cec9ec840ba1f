from __future__ import annotations

import json
from typing import Any

import pytest

from studio.runs.curves import Curves
from studio.runs.records import decode
from studio.views.figures import MAX_POINTS, epoch_rows, figures, numbers, thin


def step(phase: int, model: int, number: int, loss: float, epoch: int = 1) -> dict[str, Any]:
    return {
        "kind": "step", "phase": phase, "model": model, "step": number, "steps": 10,
        "epoch": epoch, "epochs": 2, "loss": loss, "learning_rate": 0.1,
    }  # fmt: skip


def monitor(phase: int, epoch: int, agreement: float, clean: float) -> dict[str, Any]:
    return {
        "kind": "monitor", "phase": phase, "epoch": epoch, "epochs": 2,
        "agreement": agreement, "clean_fraction": clean,
    }  # fmt: skip


def score(stage: str, accuracy: float | None, **more: Any) -> dict[str, Any]:
    return {"kind": "score", "stage": stage, "accuracy": accuracy, **more}


def collect(*events: dict[str, Any]) -> Curves:
    curves = Curves(run="a")
    for event in events:
        curves.add(decode(event))
    return curves


WHOLE = [
    score("zero-shot", 0.5),
    score("seed", 0.9),
    step(1, 0, 1, 4.0), step(1, 1, 1, 5.0), step(1, 0, 2, 3.0, 2), step(1, 1, 2, 3.5, 2),
    monitor(1, 1, 0.6, 0.7), monitor(1, 2, 0.8, 0.75),
    score("judged", 0.6, clean_precision=0.8),
    step(2, 0, 1, 2.0), step(2, 1, 1, 1.0),
    monitor(2, 1, 0.9, 0.75), score("monitor", 0.65, phase=2, epoch=1),
    score("finished", 0.7, clean_precision=0.9),
]  # fmt: skip


def test_each_phase_has_a_loss_figure_with_both_models() -> None:
    drawn = {f["key"]: f for f in figures(collect(*WHOLE))}
    assert list(drawn) == ["loss1", "loss2", "shares", "scores"]
    first, second = drawn["loss1"]["traces"]
    assert (first["x"], first["y"]) == ([1, 2], [4.0, 3.0])
    assert (second["x"], second["y"]) == ([1, 2], [5.0, 3.5])


def test_phases_follow_each_other_on_the_axis_of_epochs() -> None:
    drawn = {f["key"]: f for f in figures(collect(*WHOLE))}
    clean, agreement = drawn["shares"]["traces"]
    assert clean["x"] == [1, 2, 3]
    assert agreement["y"] == [0.6, 0.8, 0.9]
    accuracy, precision = drawn["scores"]["traces"]
    assert accuracy["x"] == [0, 2, 3, 3]
    assert accuracy["y"] == [0.5, 0.6, 0.65, 0.7]  # without that of the seeds alone
    assert precision["y"] == [0.8, 0.9]


def test_without_truth_there_is_no_figure_of_scores() -> None:
    curves = collect(score("zero-shot", None), monitor(1, 1, 0.6, 0.7), score("finished", None))
    assert [f["key"] for f in figures(curves)] == ["shares"]


def test_series_of_one_figure_differ_by_more_than_colour() -> None:
    for figure in figures(collect(*WHOLE)):
        looks = [(t["line"]["dash"], t["marker"]["symbol"]) for t in figure["traces"]]
        assert len(set(looks)) == len(looks)
        assert all(t["line"]["color"].startswith("var(--") for t in figure["traces"])


def test_a_zoom_is_kept_within_a_run_only() -> None:
    one = figures(collect(*WHOLE))[0]["layout"]["uirevision"]
    other = Curves(run="b")
    for event in WHOLE:
        other.add(decode(event))
    assert one == figures(collect(*WHOLE[:6]))[0]["layout"]["uirevision"]
    assert one != figures(other)[0]["layout"]["uirevision"]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "step"}, {"kind": "step", "phase": "x"}, {}, {"kind": ["step"]},
        {"kind": "monitor", "phase": 1, "epoch": 1, "epochs": 2, "agreement": "much"},
        {"kind": "score", "accuracy": {}}, step(1, 0, 1, float("nan")), {"kind": "later version"},
    ],
)  # fmt: skip
def test_lines_that_make_no_sense_are_passed_over(line: dict[str, Any]) -> None:
    curves = collect(line)
    assert figures(curves) == []
    assert curves.seen == 1


def test_long_series_are_thinned_and_keep_their_mean() -> None:
    points = [(i, float(i % 7)) for i in range(10_000)]
    xs, ys = thin(points)
    assert len(xs) == len(ys) <= MAX_POINTS
    assert xs == sorted(xs)
    assert sum(ys) / len(ys) == pytest.approx(3.0, abs=0.05)
    assert thin([(1, 2.0), (2, 3.0)]) == ([1, 2], [2.0, 3.0])


def test_the_table_says_what_the_figures_say() -> None:
    html = numbers(collect(*WHOLE))
    for text in ("Phase I", "Phase II", "3.500", "75 %", "90 %", "70.0 %", "final labels"):
        assert text in html
    assert epoch_rows(collect(*WHOLE))[1] == ("Phase I", "2", "3.000", "3.500", "75 %", "80 %")
    assert numbers(Curves()) == ""


def test_figures_are_json_and_their_texts_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    curves = collect(score(evil, 0.5))
    assert "<img" not in json.dumps(figures(curves)[0]["traces"])
    assert "<img" not in numbers(curves)
