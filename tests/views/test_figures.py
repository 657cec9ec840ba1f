from __future__ import annotations

import json
import re

import pytest

from studio.analysis.measures import MAX_POINTS, thin
from studio.runs.curves import Curves
from studio.runs.records import decode
from studio.views.figures import figures, numbers
from tests.runs.test_curves import ESTIMATED, WHOLE, collect, monitor, score


def rows(html: str) -> list[list[str]]:
    """The rows of all tables, without their heads."""
    found = re.findall(r"<tr>(.*?)</tr>", html, re.S)
    return [cells for row in found if (cells := re.findall(r"<td.*?>(.*?)</td>", row))]


def test_each_phase_has_a_loss_figure_with_both_models() -> None:
    drawn = {f["key"]: f for f in figures(collect(*WHOLE))}
    assert list(drawn) == ["loss1", "loss2", "shares", "scores"]
    first, second = drawn["loss1"]["traces"]
    assert (first["x"], first["y"]) == ([1, 2], [4.0, 3.0])
    assert (second["x"], second["y"]) == ([1, 2], [5.0, 3.5])
    assert "which labels are clean (Phase I)" in drawn["loss1"]["title"]
    assert "training the classifier (Phase II)" in drawn["loss2"]["title"]


def test_phases_follow_each_other_on_the_axis_of_epochs() -> None:
    drawn = {f["key"]: f for f in figures(collect(*WHOLE))}
    clean, agreement = drawn["shares"]["traces"]
    assert clean["x"] == [1, 2, 3]
    assert agreement["y"] == [0.6, 0.8, 0.9]
    accuracy, precision = drawn["scores"]["traces"]
    assert accuracy["x"] == [0, 2, 3, 3]
    assert accuracy["y"] == [0.5, 0.6, 0.65, 0.7]  # without that of the seeds alone
    assert precision["y"] == [0.8, 0.9]
    assert drawn["shares"]["layout"]["shapes"][0]["x0"] == 2.5  # where Phase II begins
    early = {f["key"]: f for f in figures(collect(*WHOLE[:9]))}
    assert "shapes" not in early["shares"]["layout"]


def test_without_truth_there_is_no_figure_of_scores() -> None:
    curves = collect(score("zero-shot", None), monitor(1, 1, 0.6, 0.7), score("finished", None))
    assert [f["key"] for f in figures(curves)] == ["shares"]


def test_a_folder_without_truth_has_a_curve_of_its_estimate_with_a_band() -> None:
    drawn = {f["key"]: f for f in figures(collect(*ESTIMATED))}
    line, band = drawn["scores"]["traces"]
    assert drawn["scores"]["title"] == "How many labels are right"
    assert (line["x"], line["y"]) == ([0, 1, 1, 3, 3], [0.5, 0.6, 0.62, 0.7, 0.8])
    assert line["text"][1] == "50 to 70 %; Phase I, epoch 1, on a sample"
    assert band["x"] == [0, 1, 1, 3, 3, 3, 3, 1, 1, 0]
    assert band["y"] == [0.6, 0.7, 0.72, 0.8, 0.9, 0.7, 0.6, 0.52, 0.5, 0.4]
    assert (band["fill"], band["showlegend"], band["hoverinfo"]) == ("toself", False, "skip")
    assert "nine times out of ten" in drawn["scores"]["hint"]
    found = rows(numbers(collect(*ESTIMATED)))
    assert ["on a sample", "Phase I", "1", "about 60 %", "50 to 70 %"] in found


def test_the_estimate_stands_beside_the_truth_and_the_band_behind_the_legend() -> None:
    drawn = {f["key"]: f for f in figures(collect(*WHOLE, *ESTIMATED))}
    names = [trace.get("name") for trace in drawn["scores"]["traces"]]
    assert names == ["Accuracy", "Right among clean", "Accuracy, estimated", None]


def test_lines_of_one_figure_differ_by_more_than_colour() -> None:
    for figure in figures(collect(*WHOLE)):
        styles = [(t["line"]["dash"], t["marker"]["symbol"]) for t in figure["traces"]]
        assert len(set(styles)) == len(styles)
        assert all(t["line"]["color"].startswith("var(--") for t in figure["traces"])


def test_a_zoom_is_kept_within_a_run_only() -> None:
    one = figures(collect(*WHOLE))[0]["layout"]["uirevision"]
    other = Curves(run="b")
    for event in WHOLE:
        other.add(decode(event))
    assert one == figures(collect(*WHOLE[:6]))[0]["layout"]["uirevision"]
    assert one != figures(other)[0]["layout"]["uirevision"]


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
    for figure in figures(collect(*WHOLE)):
        assert figure["title"] in html
    assert "50.0 % (zero-shot) to 70.0 % (final labels)" in html
    assert rows(html)[1] == ["Phase I", "2", "3.000", "3.500", "75 %", "80 %"]
    assert numbers(Curves()) == ""


def test_every_score_of_an_epoch_says_which_epoch_it_is_of() -> None:
    assert [row[:3] for row in rows(numbers(collect(*WHOLE)))[3:]] == [
        ["zero-shot", "–", "–"], ["after Phase I", "–", "–"],
        ["on a sample", "Phase II", "1"], ["final labels", "–", "–"],
    ]  # fmt: skip
    drawn = {f["key"]: f for f in figures(collect(*WHOLE))}
    assert drawn["scores"]["traces"][0]["text"][2] == "Phase II, epoch 1, on a sample"


def test_figures_are_json_and_their_texts_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    curves = collect(score(evil, 0.5))
    assert "<img" not in json.dumps(figures(curves)[0]["traces"])
    assert "<img" not in numbers(curves)
