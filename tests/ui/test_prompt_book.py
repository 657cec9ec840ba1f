"""Edits of prompts without a page: labels that follow, one step back, the verdict, the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.prompts.prompt_set import PromptSet
from studio.ui.studio import Studio
from studio.ui.wish import Wish
from studio.ui.workspace import Workspace


def to(prompts: PromptSet) -> Callable[[PromptSet], PromptSet]:
    return lambda _: prompts


RED = PromptSet((), {"red square": ("crimson box", "a scarlet tile")})


def test_an_edit_is_answered_at_once_with_the_labels_a_run_would_start_from(
    loaded: Studio, tiny_model: Any
) -> None:
    book, first = loaded.prompts, loaded.workspace.view.preview
    began = time.monotonic()
    book.edit(to(RED), what="a")
    assert time.monotonic() - began < 2
    view = loaded.workspace.view
    assert view.preview is not None
    assert first is not None
    assert (view.preview.labels != first.labels).any(), "the edit changes nothing"
    assert view.before is first
    assert view.plain is first
    assert not view.stale
    assert view.preview.accuracy is not None

    # The slow way, from the beginning, comes to the same.
    loaded.workspace.label(view.names_text, view.model)
    loaded.workspace.wait(100)
    again = loaded.workspace.view.preview
    assert again is not None
    assert again is not view.preview
    assert (again.labels == view.preview.labels).all()
    assert np.allclose(again.confidence, view.preview.confidence, atol=1e-6)
    assert loaded.workspace.view.plain is not None
    assert (loaded.workspace.view.plain.labels == first.labels).all()


def test_edits_of_one_thing_are_one_step_and_steps_are_undone(loaded: Studio) -> None:
    book, workspace = loaded.prompts, loaded.workspace
    first = workspace.view.preview
    assert not workspace.view.can_undo
    book.edit(lambda old: old.with_sentences("red square", ["c"]), what="class red square")
    book.edit(lambda old: old.with_sentences("red square", ["cr"]), what="class red square")
    assert workspace.view.before is first, "while one class is typed the step goes on"
    second = workspace.view.preview
    book.edit(lambda old: old.with_templates(["the {}"]), what="templates")
    assert workspace.view.before is second
    book.undo()
    assert workspace.view.prompts == PromptSet((), {"red square": ("cr",)})
    book.undo()
    assert workspace.view.prompts.is_default
    assert not workspace.view.can_undo
    assert workspace.view.preview is not None
    assert first is not None
    assert (workspace.view.preview.labels == first.labels).all()
    book.undo()  # nothing left
    book.edit(lambda old: old, what="nothing")
    assert not workspace.view.can_undo


def test_the_verdict_follows_when_it_is_quiet(loaded: Studio) -> None:
    loaded.prompts.quiet = 0.05
    loaded.prompts.edit(to(RED), what="a")
    assert loaded.workspace.view.preview is not None
    ends = time.monotonic() + 60
    while not loaded.workspace.view.preview.judged and time.monotonic() < ends:
        time.sleep(0.05)
    assert loaded.workspace.view.preview.judged
    assert loaded.workspace.view.preview.verdict
    assert loaded.workspace.view.preview.prompts == RED


def test_prompts_are_there_after_a_new_start(loaded: Studio) -> None:
    loaded.prompts.edit(to(RED.with_templates(["the {}"])), what="a")
    loaded.prompts.wish({"description": "tiles", "sentences": 7})
    again = Workspace(loaded.options.cache_dir)
    again.restore()
    again.wait(100)
    assert again.view.prompts == RED.with_templates(["the {}"])
    assert again.view.wish == Wish(description="tiles", sentences=7)
    assert again.view.preview is not None
    assert again.view.preview.prompts == again.view.prompts
    assert not again.view.stale


def test_sentences_of_classes_that_are_gone_wait_for_them(loaded: Studio) -> None:
    book, workspace = loaded.prompts, loaded.workspace
    book.edit(to(RED), what="a")
    workspace.set_inputs("green circle\nblue line", workspace.view.model)
    book.edit(lambda old: old.with_sentences("blue line", ["x"]), what="b")
    assert workspace.view.preview is not None
    assert workspace.view.preview.class_names == ("green circle", "blue line")
    assert set(workspace.view.preview.prompts.sentences) == {"blue line"}
    assert "red square" in workspace.view.prompts.sentences
    assert workspace.view.before is None, "labels of other classes cannot be compared"


def test_edits_need_no_images(studio: Studio) -> None:
    studio.prompts.edit(to(RED), what="a")
    assert studio.workspace.view.prompts == RED
    assert studio.workspace.view.preview is None


def test_an_address_with_a_secret_is_not_written(studio: Studio) -> None:
    studio.prompts.wish({"base_url": "https://me:secret-word@host/v1", "description": "d"})
    saved = (studio.options.cache_dir / "workspace.json").read_text()
    assert "secret-word" not in saved
    assert json.loads(saved)["wish"]["description"] == "d"


@pytest.mark.parametrize("damaged", [None, [], "x", {"sentences": -1, "again": 1, "model": 7}])
def test_a_damaged_wish_is_the_usual_one(damaged: object) -> None:
    assert Wish.from_dict(damaged) == Wish()
    assert Wish.from_dict(Wish("a", "b", "c", 1, 2, True).to_dict()) == Wish(
        "a", "b", "", 1, 2, True
    )
