from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from studio import numbers
from studio.views.render import part, render


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (3840, "1 h 4 min"),
     (None, "–"), (float("nan"), "–"), (-1, "–")],
)  # fmt: skip
def test_durations_in_words(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_unknown_shares_and_counts_are_a_dash() -> None:
    assert numbers.percent(None) == numbers.percent(float("nan")) == numbers.count(None) == "–"
    assert numbers.percent(0.125, digits=1) == "12.5 %"
    assert numbers.count(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    "html",
    [
        part("stat", "<b>", "<b>", "<b>"), part("notice", "<b>", "<b>", "<b>"),
        part("empty", "<b>"), part("table", ["<b>"], [["<b>"]], "<b>"), part("quiet", "<b>"),
        part("details", "<b>", "<b>", caller=lambda: "<b>"), part("bar", 0.5, "<b>", "<b>"),
        part("progress", 1, 2, "<b>", "<b>"), part("facts", [("<b>", "<b>")]),
        part("live", "<b>"), part("word", "<b>"),
    ],
)  # fmt: skip
def test_every_piece_escapes_what_it_is_given(html: str) -> None:
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_quotes_cannot_leave_an_attribute() -> None:
    assert 'onload="x' not in part("bar", 0.5, '" onload="x')
    assert "onload='x" not in part("bar", 0.5, "' onload='x")


def test_what_is_html_already_stays_so() -> None:
    assert part("live", part("empty", "<b>")).count("&lt;b&gt;") == 1


def test_progress_never_leaves_its_bar() -> None:
    assert "width:100.0%" in part("progress", 7, 5, "x")
    assert 'aria-valuenow="100"' in part("progress", 7, 5, "x")
    assert "aria-valuenow" not in part("progress", 0, 0, "x")


def test_a_name_that_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("page/title.html")
