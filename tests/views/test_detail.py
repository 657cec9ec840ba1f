from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from studio.ask.judge_said import Judgement
from studio.runs.actions import Action
from studio.runs.given import Correction
from studio.runs.judged import JudgedImage
from studio.runs.outcome import LIKELY, Outcome, likely
from studio.runs.question import Question
from studio.views.detail import CLASSES, corrections_summary, detail, nearest

Make = Callable[..., Outcome]
EVIL = '"><img src=x onerror=alert(1)>'


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)


def test_the_large_view_lists_the_best_classes(outcome: Make) -> None:
    html = detail(outcome(), 0, "large.jpg")
    assert "75.0 %" in html
    assert "25.0 %" in html
    assert 'alt="folder/0.jpg, labelled class 0, ' in html
    none = outcome(top_labels=np.zeros((60, 0), int), top_probabilities=np.zeros((60, 0)))
    assert "best classes" not in detail(none, 0, "large.jpg")
    many = outcome(
        top_labels=np.zeros((60, 9), int), top_probabilities=np.full((60, 9), 0.1234)
    )  # fmt: skip
    assert detail(many, 0, "").count("12.3 %") == CLASSES


def test_both_models_are_judged_by_each_other(outcome: Make) -> None:
    clean = np.stack([np.full(60, 0.9, np.float32), np.full(60, 0.2, np.float32)])
    said = text(detail(outcome(model_clean_probability=clean), 5, ""))
    assert re.search(r"Model 1 says class 2\s+90\.0 %", said)
    assert re.search(r"Model 2 says class 0\s+20\.0 %", said)


def test_before_training_there_is_no_verdict(outcome: Make) -> None:
    said = detail(outcome(stage="zero-shot"), 0, "")
    assert "Judged" not in said
    assert "Model 1" not in said
    assert "The model's best classes" in str(said).replace("&#39;", "'")


def test_what_is_missing_is_said(outcome: Make) -> None:
    assert "no longer in its folder" in detail(outcome(), 0, "")
    assert "no features" in nearest(outcome(), [], [], lambda i: "", label=0)


def test_attributes_are_taken_in(outcome: Make) -> None:
    html = detail(outcome(), 0, "", attributes={"where": '"1" of 2'})
    assert 'data-where="&#34;1&#34; of 2"' in html


def test_the_nearest_images_open_and_other_labels_are_marked(outcome: Make) -> None:
    html = nearest(outcome(), [3, 4], [0.91, 0.5], lambda i: f"{i}.jpg", label=0)
    assert re.findall(r'data-show="(\d+)"', html) == ["3", "4"]
    assert "1 of 2 have another label" in html
    assert html.count("≠ ") == 1
    assert "91 % similar" in html
    assert 'src="4.jpg"' in html
    assert "same label" in nearest(outcome(), [3, 6], [1, 1], lambda i: "", label=0)


def test_names_and_paths_from_outside_are_escaped(outcome: Make) -> None:
    whole = outcome(paths=(EVIL,) * 60, class_names=(EVIL, EVIL, EVIL), truth=np.zeros(60, int))
    for html in (detail(whole, 1, EVIL), nearest(whole, [1], [0.5], lambda i: EVIL, label=0)):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def answers(html: str) -> list[tuple[str, str]]:
    """(verdict, class or "") of each button that says something."""
    return re.findall(r'data-answer="(\w+)"(?: data-class="(\d+)")?', html)


def test_one_image_can_be_accepted_relabelled_and_rejected(outcome: Make) -> None:
    whole = outcome()
    html = detail(whole, 1, "")
    assert [a for a, _ in answers(html)] == ["accepted", "rejected", *["relabelled"] * 3]
    options = re.findall(r'<option value="(\d+)"', html)
    assert sorted(map(int, options)) == list(range(len(whole.class_names)))
    assert 'aria-pressed="true"' not in html
    assert "Is the label right?" in html


def test_digits_pick_the_likeliest_other_names(outcome: Make) -> None:
    top = np.tile(np.array([4, 7, 2]), (60, 1))
    whole = outcome(classes=30, top_labels=top, top_probabilities=np.full((60, 3), 0.3))
    label, other = whole.model_labels[:, 5]
    assert label != other
    assert likely(whole, 5)[:3] == [c for c in (other, 4, 7, 2) if c != label][:3]
    before = outcome(classes=30, labels=np.full(60, 9), top_labels=top)
    assert 9 in likely(whole, 5, [before])
    html = detail(whole, 5, "")
    keys = re.findall(r'data-class="(\d+)" aria-keyshortcuts="(\d)"', html)
    assert keys == [(str(c), str(n)) for n, c in enumerate(likely(whole, 5), 1)]
    few = outcome(classes=4)
    assert sorted([*likely(few, 0), 0]) == [0, 1, 2, 3], "of few classes all can be chosen"
    many = outcome(classes=30, top_labels=np.tile(np.arange(20), (60, 1)),
                   top_probabilities=np.full((60, 20), 0.05))  # fmt: skip
    assert len(likely(many, 0)) == LIKELY


def test_what_was_said_is_shown_and_can_be_taken_back(outcome: Make) -> None:
    whole = outcome()
    html = detail(whole, 0, "", correction=Correction("relabelled", whole.class_names[1]))
    assert "This image is relabelled as class 1." in html
    assert 'data-answer="withdrawn"' in html
    assert re.search(r'data-class="1"[^>]*aria-pressed="true"', html)
    assert re.search(r'value="1" selected', html)
    assert "withdrawn" not in detail(whole, 0, "")


def test_the_counts_what_undo_would_undo_and_what_would_be_corrected() -> None:
    nothing = corrections_summary({}, None, trained=True, chosen="")
    assert "Nothing is corrected yet" in nothing
    assert "Nothing is ticked or selected" in nothing
    said = {"a": Correction("accepted", "cat"), "b": Correction("relabelled", "<dog>"),
            "c": Correction("relabelled", "<dog>"), "d": Correction("rejected")}  # fmt: skip
    action = Action("x", "relabelled", {"b": "<dog>", "c": "<dog>"})
    html = corrections_summary(said, action, trained=True, chosen="3 ticked images")
    assert "4 images corrected" in html
    assert "1 accepted, 2 relabelled, 1 rejected" in html
    assert "Last: 2 images relabelled as &lt;dog&gt;." in html
    assert "<strong>3 ticked images</strong>" in html
    assert "Last" not in corrections_summary(said, None, trained=False, chosen="")


def test_what_a_judge_said_is_not_shown_before_a_person_has_answered(outcome: Make) -> None:
    """A check is worth something beside the judge's because it does not know it."""
    whole, question = outcome(), Question(1, (0, 1), "was drawn")
    said = Judgement("1.jpg", ("class 0", "class 1"), ("class 1", "class 1"))
    asked = JudgedImage(said, model="m", host="localhost")
    for correction in (None, Correction("judged", "class 1")):
        html = detail(whole, 1, "", asked=asked, question=question, correction=correction)
        assert "shown once you have answered" in html
        assert "both times" not in html
    told = Correction("accepted", "class 1")
    assert "both times" in detail(whole, 1, "", asked=asked, question=question, correction=told)
    assert "both times" in detail(whole, 1, "", asked=asked)
