from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.prompts.ask import Budget
from studio.prompts.leaving import Leaving
from studio.prompts.llm import Written
from studio.prompts.prompt_set import PromptSet
from studio.runs.first_labels import Preview
from studio.scores.estimate import Estimate
from studio.session.writer import Writing
from studio.views import prompts as look
from studio.views.render import render

EVIL = "<img src=x onerror=alert(1)>"


def labels(
    *classes: int,
    accuracy: float | None = None,
    names: tuple[str, ...] = ("cat", "dog", "owl"),
    prompts: PromptSet | None = None,
    cut_short: int = 0,
) -> Preview:
    sure = np.linspace(0.1, 0.9, len(classes), dtype=np.float32)
    return Preview(
        names, "embedded", np.array(classes), sure, "", "", accuracy,
        prompts=prompts or PromptSet(), cut_short=cut_short,
    )  # fmt: skip


def test_the_board_counts_and_says_what_changed():
    made = look.board(
        class_names=["cat", "dog", "owl"], prompts=PromptSet((), {"dog": ("a", "b")}),
        now=labels(0, 1, 1, 1), before=labels(0, 0, 1, 2), plain=labels(0, 0, 0, 0),
    )  # fmt: skip
    cat, dog, owl = made["rows"]
    assert (cat["count"], dog["count"], owl["count"]) == ("1 image", "3 images", "0 images")
    assert (dog["text"], dog["share"], cat["share"]) == ("a\nb", 1.0, pytest.approx(0.333))
    assert dog["change"] == "+2 −0 by this edit · 0 with the model's own template"
    assert cat["change"] == "+0 −1 by this edit · 4 with the model's own template"
    made = look.board(class_names=["cat"], prompts=PromptSet(), now=None, before=None, plain=None)
    assert made["rows"] == [{"name": "cat", "text": ""}]


def test_the_board_estimates_each_class(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Preview, "estimate", Estimate(0.6, 0.5, 0.7))
    sure = np.array([0.9] * 6 + [0.3] * 6, dtype=np.float32)
    now = replace(labels(*[0] * 6, *[1] * 6), confidence=sure)
    made = look.board(
        class_names=["cat", "dog", "owl"], prompts=PromptSet(), now=now, before=None, plain=now
    )
    assert [row["count"] for row in made["rows"]] == [
        "6 images, about 90 % right", "6 images, about 30 % right", "0 images",
    ]  # fmt: skip
    assert "15 points" in made["note"]


def effect(now: Preview | None = None, **changes: object) -> str:
    given = {
        "before": labels(0, 0, 1), "plain": labels(1, 1, 1, accuracy=0.25), "doubt": "",
        "picture": lambda i: f"pic{i}", "path": lambda i: EVIL, "strangers": [],
    }  # fmt: skip
    return look.effect(now or mine(), **{**given, **changes})  # type: ignore[arg-type]


def mine(**values: Any) -> Preview:
    """Labels by prompts of one's own."""
    return labels(0, 1, 1, names=("cat", EVIL), prompts=PromptSet(("a {}",)), **values)


def test_the_effect_shows_what_moved():
    shown = effect(mine(accuracy=0.5))
    assert "In use: 1 template." in shown
    assert shown.count('class="moved"') == 1
    assert 'src="pic1"' in shown
    assert "25.0 % with the model&#39;s own template" in shown
    assert "50.0 %" in shown
    assert EVIL not in shown
    assert "changed by this edit" not in effect(before=None)
    own = effect(labels(0, 1, 1, accuracy=0.5))
    assert "In use: the model&#39;s own template." in own
    assert "by the names of the sub-folders" in own
    assert "changed in all" not in own


def test_many_changes_are_counted_and_a_few_are_shown():
    none = labels(*[0] * 100)
    shown = effect(labels(*[1] * 100), before=none, plain=none)
    assert shown.count('class="moved"') == look.CHANGED_SHOWN
    assert "and 88 more" in shown
    assert "pic99" in shown, "the surest first"


def test_warnings():
    assert "1 sentence is longer than this model reads" in effect(mine(cut_short=1))
    assert EVIL not in effect(strangers=[EVIL])


def test_what_leaves_is_said_with_the_host_and_the_budget():
    def leaves(leaving: Leaving) -> str:
        return render("prompts/leaves.html", **vars(leaving))

    told = leaves(Leaving(EVIL, 37, True, Budget(2, 16, 1234, 5678, 1, 37)))
    assert EVIL not in told
    for part in ("37 class names", "and the description", "2 requests", "16", "1 answer is here"):
        assert part in told
    free = leaves(Leaving("h", 2, False, Budget(0, 0, 0, 0, 2)))
    assert "nothing is sent" in free
    assert EVIL not in leaves(Leaving("h", 0, False, fault=EVIL))


def test_how_a_call_stands_and_ended():
    def say(written: Written | None = None, *, busy: bool = False, error: str = "") -> str:
        writing = Writing(busy, host=EVIL, written=written, error=error)
        return render("prompts/writing.html", writing=writing)

    assert "2 of 5 answers" in say(Written(done=2, total=5), busy=True)
    assert "answers" not in say(busy=True)
    assert EVIL not in say(busy=True) + say(error=EVIL) + say(Written(problems=(EVIL,)))
    assert EVIL not in say(Written(missing=(EVIL,)))
    good = Written(prompts=PromptSet(("{}",), {"a": ("x", "y")}), requests=2, tokens_in=5)
    assert "1 template and 2 sentences for 1 class written. 2 requests, 5 tokens" in say(good)
    assert "notice-good" in say(good)
    assert "notice-good" not in say(Written(prompts=good.prompts, missing=("b",)))
    assert "Stopped." in say(Written(stopped=True))
