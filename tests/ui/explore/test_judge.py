"""What the judge's panel says of an asking: which kind it is, also while it is under way."""

from __future__ import annotations

from typing import Any

import pytest

from studio.session.judging import Judging, JudgingView
from studio.session.session import Session
from studio.session.source import AT_HAND
from studio.ui.explore.judge import JudgePanel
from tests.ui.conftest import explore_tab


@pytest.fixture
def panel(shared: Session) -> JudgePanel:
    return explore_tab(shared).judge


def leaves(panel: JudgePanel, purpose: str) -> str:
    """What is said before the button, of a server on this machine."""
    typed = ("6", "", "http://127.0.0.1:9/v1", "seer", "", purpose)
    found: Any = panel.parts({}, AT_HAND, *typed)["judge_leaves"][1]
    return " ".join(found().split())


@pytest.mark.parametrize("busy", [False, True])
def test_the_page_says_what_is_asked_for_also_while_it_is_under_way(
    panel: JudgePanel, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for purpose, says, other in (
        ("check", "They change no label", "the next run weighs"),
        ("mend", "the next run weighs", "They change no label"),
    ):
        if busy:  # another page has asked for it, and this one has not been told what
            view = JudgingView(busy=True, checks=purpose == "check")
            monkeypatch.setattr(Judging, "view", property(lambda _self, view=view: view))
        text = leaves(panel, purpose)
        assert says in text
        assert other not in text
        assert ("An asking is under way" in text) == busy


def test_the_usual_number_follows_what_is_asked_for_and_a_typed_one_stays(
    panel: JudgePanel,
) -> None:
    assert panel.usual("check", "2C") == "60"
    assert panel.usual("mend", "60") == "2C"
    for purpose, budget in (("check", "25"), ("mend", "100"), ("no such", "2C"), (None, "2C")):
        assert not isinstance(panel.usual(purpose, budget), str), "nothing is put there"
