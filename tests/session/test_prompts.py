"""Edits of prompts without a page: labels that follow, one step back, the verdict, the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.prompts.form import LlmForm
from studio.prompts.prompt_set import PromptSet
from studio.session.dataset import DataSet
from studio.session.session import Session


def to(prompts: PromptSet) -> Callable[[PromptSet], PromptSet]:
    return lambda _: prompts


RED = PromptSet((), {"red square": ("crimson box", "a scarlet tile")})


def test_an_edit_is_answered_at_once_with_the_labels_a_run_would_start_from(
    loaded: Session, tiny_model: Any
) -> None:
    book, first = loaded.prompts, loaded.data.state.preview
    book.edit(to(RED), what="a")
    view = loaded.data.state  # already, with nobody having waited for anything
    assert not view.busy
    assert view.preview is not None
    assert first is not None
    assert (view.preview.labels != first.labels).any(), "the edit changes nothing"
    assert view.before is first
    assert view.plain is first
    assert not view.stale
    assert view.preview.accuracy is not None

    # The slow way, from the beginning, comes to the same.
    loaded.data.label(view.names_text, view.model)
    loaded.data.wait(100)
    again = loaded.data.state.preview
    assert again is not None
    assert again is not view.preview
    assert (again.labels == view.preview.labels).all()
    assert np.allclose(again.confidence, view.preview.confidence, atol=1e-6)
    assert loaded.data.state.plain is not None
    assert (loaded.data.state.plain.labels == first.labels).all()


def test_edits_of_one_thing_are_one_step_and_steps_are_undone(loaded: Session) -> None:
    book, data = loaded.prompts, loaded.data
    first = data.state.preview
    assert not data.state.can_undo
    book.edit(lambda old: old.with_sentences("red square", ["c"]), what="class red square")
    book.edit(lambda old: old.with_sentences("red square", ["cr"]), what="class red square")
    assert data.state.before is first, "while one class is typed the step goes on"
    second = data.state.preview
    book.edit(lambda old: old.with_templates(["the {}"]), what="templates")
    assert data.state.before is second
    book.undo()
    assert data.state.prompts == PromptSet((), {"red square": ("cr",)})
    book.undo()
    assert data.state.prompts.is_default
    assert not data.state.can_undo
    assert data.state.preview is not None
    assert first is not None
    assert (data.state.preview.labels == first.labels).all()
    book.undo()  # nothing left
    book.edit(lambda old: old, what="nothing")
    assert not data.state.can_undo


def test_the_verdict_follows_when_it_is_quiet(loaded: Session) -> None:
    loaded.prompts.quiet = 0.05
    loaded.prompts.edit(to(RED), what="a")
    assert loaded.data.state.preview is not None
    ends = time.monotonic() + 60
    while not loaded.data.state.preview.judged and time.monotonic() < ends:
        time.sleep(0.05)
    assert loaded.data.state.preview.judged
    assert loaded.data.state.preview.verdict
    assert loaded.data.state.preview.prompts == RED


def test_prompts_are_there_after_a_new_start(loaded: Session) -> None:
    loaded.prompts.edit(to(RED.with_templates(["the {}"])), what="a")
    loaded.prompts.llm_form({"description": "tiles", "sentences": 7})
    again = DataSet(loaded.options.cache_dir)
    again.restore()
    again.wait(100)
    assert again.state.prompts == RED.with_templates(["the {}"])
    assert again.state.llm_form == LlmForm(description="tiles", sentences=7)
    assert again.state.preview is not None
    assert again.state.preview.prompts == again.state.prompts
    assert not again.state.stale


def test_sentences_of_classes_that_are_gone_wait_for_them(loaded: Session) -> None:
    book, data = loaded.prompts, loaded.data
    book.edit(to(RED), what="a")
    data.set_inputs("green circle\nblue line", data.state.model)
    book.edit(lambda old: old.with_sentences("blue line", ["x"]), what="b")
    assert data.state.preview is not None
    assert data.state.preview.class_names == ("green circle", "blue line")
    assert set(data.state.preview.prompts.sentences) == {"blue line"}
    assert "red square" in data.state.prompts.sentences
    assert data.state.before is None, "labels of other classes cannot be compared"


def test_edits_need_no_images(session: Session) -> None:
    session.prompts.edit(to(RED), what="a")
    assert session.data.state.prompts == RED
    assert session.data.state.preview is None


def test_an_address_with_a_secret_is_not_written(session: Session) -> None:
    session.prompts.llm_form({"base_url": "https://me:secret-word@host/v1", "description": "d"})
    saved = (session.options.cache_dir / "workspace.json").read_text()
    assert "secret-word" not in saved
    assert json.loads(saved)["llm_form"]["description"] == "d"


@pytest.mark.parametrize("damaged", [None, [], "x", {"sentences": -1, "again": 1, "model": 7}])
def test_a_damaged_wish_is_the_usual_one(damaged: object) -> None:
    assert LlmForm.from_dict(damaged) == LlmForm()
    assert LlmForm.from_dict(LlmForm("a", "b", "c", 1, 2, True).to_dict()) == LlmForm(
        "a", "b", "", 1, 2, True
    )
