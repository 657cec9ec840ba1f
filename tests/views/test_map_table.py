from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from studio.errors import RunError
from studio.views import map as map_table
from tests.views.conftest import Make

EVIL = '<b onmouseover="x">'


def plane(number: int) -> Any:
    places = np.zeros((number, 2), np.float32)
    places[:, 0] = np.where(np.arange(number) % 3 == 0, -0.9, 0.9)
    places[:, 1] = np.where(np.arange(number) % 3 == 2, 0.9, 0.0)
    return places


def test_every_number_of_the_table_selects_as_many_images(outcome: Make) -> None:
    made = outcome(60)
    html = map_table.table(made, plane(60))
    buttons = re.findall(r'data-pick="([^"]+)"[^>]*>([\d\s\u202f]+)<', html)
    assert len(buttons) == 12
    for pick, number in buttons:
        indices, text = map_table.picked(made, pick)
        assert len(indices) == int(re.sub(r"\D", "", number))
        assert text.startswith(str(len(indices)))
    indices, text = map_table.picked(made, "1:disagree")
    assert (made.labels[indices] == 1).all()
    assert made.disagree[indices].all()
    assert "class 1" in text
    assert "models disagree" in text


def test_it_says_where_most_of_a_class_lies(outcome: Make) -> None:
    html = map_table.table(outcome(60), plane(60))
    assert "middle left, 100 %" in html
    assert "middle right, 100 %" in html
    assert "top right, 100 %" in html
    lost = np.full((60, 2), np.nan, np.float32)
    assert "100 %" not in map_table.table(outcome(60), lost)


def test_names_are_shown_as_text(outcome: Make) -> None:
    html = map_table.table(outcome(9, class_names=(EVIL, "b", "c")), plane(9))
    assert EVIL not in html
    assert "&lt;b onmouseover" in html


def test_of_very_many_classes_the_largest_are_listed(
    outcome: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_table, "ROWS", 2)
    labels = np.array([0, 1, 1, 2, 2, 2])
    html = map_table.table(outcome(6, labels=labels), plane(6))
    assert "class 0" not in html
    assert html.index("class 2") < html.index("class 1")
    assert "The 2 largest classes" in html


@pytest.mark.parametrize(
    "pick", [None, "", "1", "x:all", "-1:all", "3:all", "1:gone", "٣:all", 5, "1" * 12 + ":all"]
)
def test_what_is_no_cell_is_refused(outcome: Make, pick: Any) -> None:
    with pytest.raises(RunError):
        map_table.picked(outcome(9), pick)


def test_what_is_not_drawn_is_said() -> None:
    assert map_table.note(10, 10, 10) == ""
    assert map_table.note(9, 36, 36).startswith("9 of 36 images are drawn: the noisy ones")
    assert map_table.note(9, 9, 11) == "2 images of the run can no longer be found."
