from __future__ import annotations

import pytest

from studio.views import markup, numbers


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
        markup.stat("<b>", "<b>", hint="<b>"), markup.notice("<b>", title="<b>", kind="<b>"),
        markup.empty("<b>"), markup.table(["<b>"], [["<b>"]], caption="<b>"),
        markup.details("<b>", "", key="<b>"), markup.bar(0.5, label="<b>", text="<b>"),
        markup.progress(1, 2, label="<b>", detail="<b>"),
    ],
)  # fmt: skip
def test_every_piece_escapes_what_it_is_given(html: str) -> None:
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_quotes_cannot_leave_an_attribute() -> None:
    assert '"' not in markup.esc('" onload="x')
    assert "'" not in markup.esc("' onload='x")


def test_progress_never_leaves_its_bar() -> None:
    assert "width:100.0%" in markup.progress(7, 5, label="x")
    assert 'aria-valuenow="100"' in markup.progress(7, 5, label="x")
    assert "aria-valuenow" not in markup.progress(0, 0, label="x")
