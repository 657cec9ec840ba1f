from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from studio.runs.corrections import Action
from studio.runs.given import Correction
from studio.runs.outcome import Outcome
from studio.views.cards import card, small_card
from studio.views.correcting import image_buttons, mark, marked, summary, told
from tests.views.conftest import make_outcome

ACCEPTED = Correction("accepted", "cat")
RELABELLED = Correction("relabelled", "<dog>")
REJECTED = Correction("rejected")


def test_every_correction_is_told_in_words():
    assert told(None) == ""
    assert told(ACCEPTED) == "accepted as cat"
    assert told(RELABELLED) == "relabelled as <dog>"
    assert told(REJECTED) == "rejected"


def test_marks_are_words_and_safe():
    assert "✓ accepted" in mark(ACCEPTED)
    assert "→ &lt;dog&gt;" in mark(RELABELLED)
    assert "✕ rejected" in mark(REJECTED)


@pytest.mark.parametrize("make", [card, small_card])
def test_a_card_says_what_was_said(make: Callable[[Outcome, int, str], str]):
    plain = make(make_outcome(), 3, "x.jpg")
    assert marked(plain, None) == plain
    html = marked(plain, RELABELLED)
    assert "→ &lt;dog&gt;" in html
    assert ", relabelled as &lt;dog&gt;. Show large." in html
    assert html.endswith("</span></button>")
    assert html.count("<button") == html.count("</button>") == 1


def test_the_counts_and_what_undo_would_undo():
    nothing = summary({}, None)
    assert "Nothing is corrected yet" in nothing
    said = {"a": ACCEPTED, "b": RELABELLED, "c": RELABELLED, "d": REJECTED}
    action = Action("x", "relabelled", {"b": "<dog>", "c": "<dog>"})
    html = summary(said, action)
    assert "4 images corrected" in html
    assert "1 accepted, 2 relabelled, 1 rejected" in html
    assert "Last: 2 images relabelled as &lt;dog&gt;." in html
    assert "Last" not in summary(said, None)


def options(html: str) -> list[tuple[str, str]]:
    return re.findall(r'<option value="(\d+)"[^>]*>([^<]*)</option>', html)


def test_one_image_can_be_accepted_relabelled_and_rejected():
    outcome = make_outcome()
    html = image_buttons(outcome, 1, None)
    verdicts = re.findall(r'data-say="([^"]+)"', html)
    assert verdicts == ["accepted", "relabelled", "rejected"], "there is nothing to take back"
    assert sorted(int(n) for n, _ in options(html)) == list(range(len(outcome.class_names)))
    assert 'aria-pressed="true"' not in html
    assert "Is the label right?" in html


def test_the_likeliest_other_class_is_proposed():
    outcome = make_outcome()
    label = int(outcome.labels[0])
    other = (label + 1) % len(outcome.class_names)
    html = image_buttons(outcome, 0, None, best=[label, other])
    assert f'value="{other}" selected' in html
    accepted = Correction("accepted", outcome.class_names[label])
    html = image_buttons(outcome, 0, accepted, best=[label, other])
    assert f'value="{other}" selected' in html, "the class that it has already is proposed"


def test_what_was_said_is_shown_and_can_be_taken_back():
    outcome = make_outcome()
    name = outcome.class_names[1]
    html = image_buttons(outcome, 0, Correction("relabelled", name))
    assert "This image is relabelled as" in html
    assert 'data-say="withdrawn"' in html
    assert re.search(r'data-say="relabelled" aria-pressed="true"', html)
    assert 'value="1" selected' in html


@pytest.mark.parametrize("name", ['<img src=x onerror="1">', "a\"b'c"])
def test_names_cannot_break_out(name: str):
    outcome = make_outcome()
    changed = type(outcome)(
        **{**vars(outcome), "class_names": (name, *outcome.class_names[1:]),
           "labels": np.zeros(len(outcome), np.int64)},
    )  # fmt: skip
    html = image_buttons(changed, 0, Correction("accepted", name))
    assert name not in html
    assert "<img" not in html
