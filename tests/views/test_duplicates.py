from __future__ import annotations

import re
from collections.abc import Callable

from studio.runs.outcome import Outcome
from studio.scores.duplicates import Group
from studio.views.duplicates import group_list

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'


def test_a_group_opens_its_images_and_says_when_labels_differ(outcome: Make) -> None:
    groups = [Group((0, 3), 1.0, exact=True), Group((1, 2), 0.953)]
    html = group_list(outcome(), groups, lambda i: f"{i}.jpg", none="none")
    assert re.findall(r'data-pick="(group:\d+)"', html) == ["group:0", "group:1"]
    first, second = html.split("</li>")[:2]
    assert "2 images, equal" in first
    assert "labels differ" not in first
    assert "2 images, 95.3 % similar" in second
    assert "labels differ" in second
    assert "class 1, class 2" in second


def test_a_large_group_shows_a_few_and_counts_the_rest(outcome: Make) -> None:
    html = group_list(outcome(), [Group(tuple(range(20)), 1.0)], lambda i: "x.jpg", none="")
    assert html.count("<img") == 6
    assert "+14" in html


def test_no_group_is_said(outcome: Make) -> None:
    assert "Nothing is twice." in group_list(outcome(), [], lambda i: "", none="Nothing is twice.")


def test_names_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL))
    html = group_list(whole, [Group((0, 1), 1.0)], lambda i: EVIL, none="")
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
