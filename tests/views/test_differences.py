from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from studio.analysis.differences import card, options
from studio.analysis.matching import ALL, MatchedRuns, match
from studio.runs.outcome import Outcome
from studio.views.differences import cards, detail, summary
from tests.analysis.test_matching import SECOND, pair

Make = Callable[..., Outcome]

AB = ("A", "B")


def words(html: str) -> str:
    """What is read: no markup, single spaces."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))


def drawn(matched: MatchedRuns, m: int, source: str = "x.jpg") -> str:
    return cards([card(matched, AB, m, source)])


def test_runs_without_a_common_image_say_so(outcome: Make) -> None:
    matched = match([outcome(3), outcome(3, paths=("x", "y", "z"))])
    assert "no image in common" in summary(matched, AB)
    assert options(matched, AB) == [("All that differ (0)", ALL)]


def test_the_summary_counts_who_is_right() -> None:
    text = words(summary(match(pair()), AB))
    assert "differ on 3 of 6 images (50.0 %)" in text
    assert "The true class of 2 of these" in text
    assert "A on 1, B on 1; none on 0" in text
    assert "probability 1.000 (sign test)" in text
    unknown = match([Outcome(**{**vars(o), "truth": None}) for o in pair()])
    assert "sub-folder" not in summary(unknown, AB)


def test_a_legend_explains_the_signs_of_the_cards() -> None:
    text = words(summary(match(pair()), AB))
    for sign in ("letter of a run", "% clean", "% confident", "right", "wrong"):
        assert sign in text
    same = summary(match([pair()[0], pair()[0]]), AB)
    assert "letter of a run" not in same  # there are no cards to explain


def test_three_runs_are_compared_in_pairs(outcome: Make) -> None:
    text = words(summary(match([*pair(), outcome(6, 2, labels=SECOND)]), ("A", "B", "D")))
    assert "in pairs" in text
    assert "B 50.0 % 100.0 %" in text  # the second and the third
    assert "sign test" not in text


def test_options_count_what_they_show() -> None:
    matched = match(pair())
    assert [text.split(" (")[0] for text, _ in options(matched, ("B", "D"))] == [
        "All that differ", "Only B is right", "Only D is right", "None is right",
    ]  # fmt: skip
    for text, value in options(matched, AB):
        assert text.endswith(f"({len(matched.select(value))})")


def test_a_card_says_each_label_and_who_is_right_in_words() -> None:
    matched = match(pair(class_names=("class 0", "<b>bold</b>")))
    html = drawn(matched, 1, "gradio_api/file=x.jpg")
    assert "<b>bold" not in html
    assert ">right<" in html
    assert ">wrong<" in html
    assert 'aria-label="folder/1.jpg: A says class 1, B says class 0. Show large."' in html
    assert "image not found" in drawn(matched, 1, "")
    assert "right" not in drawn(matched, 5)
    assert "labels are the same" in cards([])


def test_before_training_a_card_tells_confidence_and_no_judgement() -> None:
    untrained = match(pair(stage="zero-shot"))
    first, second = re.findall(r"\d+ % \w+", words(drawn(untrained, 1)))
    assert (first[-5:], second[-9:]) == ("clean", "confident")
    html = detail(untrained, AB, 1, "x.jpg")
    assert html.count("<dt>Clean probability</dt>") == 1
    assert html.count("<dt>Judgement</dt>") == 1
    assert html.count("<dt>Model 2</dt>") == 1


def test_the_large_view_tells_what_every_run_says() -> None:
    html = detail(match(pair()), AB, 2, "x.jpg")
    assert html.count("<dt>Judgement</dt>") == 2
    for text in ("<dt>Sub-folder</dt>", ", right", ", wrong", "Best classes", "run A", "run B"):
        assert text in html
    assert "no longer in its folder" in detail(match(pair()), AB, 2, "")


@pytest.mark.parametrize("name", ["<b>x</b>", '" onload="alert(1)', "a & b"])
def test_no_name_is_taken_for_html(name: str) -> None:
    values: dict[str, Any] = {
        "class_names": (name, "y"),
        "paths": tuple(f"{name}{i}" for i in range(6)),
    }
    first = Outcome(**{**vars(pair()[0]), **values})
    matched = match([first, Outcome(**{**vars(pair(**values)[1])})])
    for html in (drawn(matched, 1, name), detail(matched, AB, 1, name), summary(matched, AB)):
        assert name not in html
