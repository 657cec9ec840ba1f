"""What tools say names tools: a program has no terminal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.clip.sources import find_source
from studio.errors import StudioError
from studio.export.formats import format_of
from studio.export.subject import Subject
from studio.images.folder import FOLLOW_LINKS
from studio.runs.request import JobRequest, check
from studio.runs.resume import obstacle, what_to_do
from studio.runs.store import RunStore
from studio.session.session import Session
from studio.settings import Settings
from studio.ui.tools.advice import for_programs
from studio.ui.tools.images import ImageTools
from studio.ui.tools.offered import described
from studio.ui.tools.runs import RunTools

COMMANDS = re.compile(r"python -m studio|(?<![\w-])--(?!runs|cache|root)[a-z]|`fit -")


def test_an_unknown_run_is_answered_with_the_tool_that_lists_them(shared: Session) -> None:
    images, runs = ImageTools(shared), RunTools(shared)
    calls: list[Callable[..., Any]] = [images.labels, images.noisy, images.export, runs.status]
    for tool in calls:
        with pytest.raises(StudioError, match=r"no run 'gone' in .*; `list_runs` lists them$"):
            described(tool)("gone")


def said(work: Callable[[], object]) -> str:
    with pytest.raises(StudioError) as caught:
        work()
    return str(caught.value)


def test_messages_name_no_command_and_no_option_of_one(
    shared: Session, run_id: str, tmp_path: Path, image_folder: Path
) -> None:
    store = RunStore(tmp_path / "runs")
    shutil.copytree(shared.store.get(run_id).path, store.root / "r1")
    run = store.get("r1")
    messages = [said(lambda: store.find("gone", others="and no such file"))]
    run.set_status(state="stopped")
    messages += [what_to_do(run)]
    run.update_info(method="fixmatch")
    (run.path / "request.json").unlink(missing_ok=True)
    messages += [obstacle(run), what_to_do(run)]
    subject = Subject.of(shared.store.get(run_id))
    messages += [said(lambda: list(format_of("checked").entries(subject)))]
    messages += [said(lambda: find_source("ViT-B-99:openai"))]
    messages += [said(lambda: Settings.from_overrides({"no_such": "1"}))]
    flat = image_folder / "red_square"
    messages += [said(lambda: check(JobRequest(flat)))]
    messages += [said(lambda: check(JobRequest(image_folder, method="supervised")))]
    messages += [FOLLOW_LINKS]
    for message in messages:
        assert COMMANDS.search(message), f"this says nothing of commands: {message}"
        told = for_programs(message)
        assert not COMMANDS.search(told), told


def test_what_a_run_ended_with_names_tools_as_well(shared: Session, run_id: str) -> None:
    run = shared.store.get(run_id)
    before = run.status()
    run.set_status(state="failed", reason="no run 'x'; `python -m studio runs` lists them")
    try:
        assert RunTools(shared).status(run_id)["reason"] == "no run 'x'; `list_runs` lists them"
    finally:
        run.set_status(state=before["state"], reason=before["reason"])
    assert "`python" not in (described(RunTools(shared).fit).__doc__ or "")
