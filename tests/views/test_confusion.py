from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from studio.runs import confusion as counting
from studio.runs.confusion import confusion
from studio.runs.outcome import Outcome
from studio.views.confusion import cell, heat_map

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'


def test_the_most_confused_classes_come_first_and_not_all(
    outcome: Make, monkeypatch: object
) -> None:
    labels = np.arange(60) % 30
    other = labels.copy()
    other[[7, 37]] = 9  # the only confusion that happens twice
    other[[1]] = 2
    whole = outcome(classes=30, model_labels=np.stack([labels, other]))
    found = confusion(whole)
    assert set(found.shown[:2]) == {7, 9}
    assert set(found.shown) == {7, 9, 1, 2}  # what nobody confuses is left out
    assert "26 classes" in heat_map(found)
    many = outcome(classes=30, model_labels=np.stack([labels, (labels + 1) % 30]))
    assert len(confusion(many).shown) == counting.SHOWN


def test_cells_are_buttons_and_the_table_says_the_same(outcome: Make) -> None:
    found = confusion(outcome())
    html = heat_map(found)
    picks = set(re.findall(r'data-pick="([\d-]+)"', html))
    assert {f"{r}-{c}" for r, c, _ in found.pairs()} <= picks
    assert {"0-0", "1-1", "2-2"} <= picks
    assert "model 1 says class 0, model 2 says class 1" in html
    table = html[html.index("Confusions as a table") :]
    assert set(re.findall(r'data-pick="([\d-]+)"', table)) == {
        f"{r}-{c}" for r, c, _ in found.pairs()
    }


def test_more_images_are_hotter_and_the_diagonal_is_not(outcome: Make) -> None:
    labels = np.zeros(60, int)
    other = np.array([0] * 20 + [1] * 39 + [2])
    html = heat_map(confusion(outcome(model_labels=np.stack([labels, other]))))
    heat = dict(re.findall(r'data-pick="([\d-]+)" data-heat="(\d)"', html))
    assert heat == {"0-0": "0", "0-1": "4", "0-2": "1"}


def test_agreement_is_said(outcome: Make) -> None:
    same = np.stack([np.zeros(60, int)] * 2)
    found = confusion(outcome(model_labels=same))
    assert "same label" in heat_map(found)
    assert "as a table" not in heat_map(found)


def test_names_are_escaped(outcome: Make) -> None:
    found = confusion(outcome(class_names=(EVIL, EVIL, EVIL)))
    html = heat_map(found)
    assert "<img src=x" not in html
    assert html.count("&lt;img src=x") > 8


@pytest.mark.parametrize(
    ("pick", "found"),
    [("1-2", (1, 2)), ("0-0", (0, 0)), ("3-0", None), ("1", None), ("-1-2", None), ("a-b", None),
     ("1-2-0", None), ("", None), ("٣-1", None), ("9999999999-1", None)],
)  # fmt: skip
def test_picks_are_checked(pick: str, found: tuple[int, int] | None) -> None:
    assert cell(pick, 3) == found
