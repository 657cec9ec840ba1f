"""Where the model knows nothing, CoFT trains nothing and says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.runs.job import run_job
from studio.runs.near_chance import NOT_TRAINED, keeps_zero_shot
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings

SENSELESS = ("tax law", "grammar", "melancholy")


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    settings = Settings(**{**quick_settings, "train_near_chance": False})
    return JobRequest(
        folder=image_folder, model=str(tiny_model), settings=settings, class_names=SENSELESS
    )


@pytest.mark.parametrize("method", ["coft", "coft+"])
def test_near_chance_nothing_is_trained_and_the_run_says_so(
    request_: JobRequest, store: RunStore, tmp_path: Path, method: str
) -> None:
    runs = {}
    for name in (method, "zero-shot"):
        request = dataclasses.replace(request_, method=name)
        run = create_run(request, store)
        result = run_job(request, run, cache_dir=tmp_path, stop=lambda: False)
        runs[name] = run, result
    run, result = runs[method]
    assert (result.method, result.knowledge, result.stage) == (method, "near chance", "zero-shot")
    events = run.events()[0]
    kinds = [event["kind"] for event in events]
    assert "step" not in kinds
    assert NOT_TRAINED in [e["message"] for e in events if e["kind"] == "warned"]
    kept, plain = (
        run_.arrays(next(e for e in run_.events()[0] if e["kind"] == "finished")["arrays"])
        for run_, _ in runs.values()
    )
    assert torch.equal(kept["labels"], plain["labels"])
    warned = [e["message"] for e in runs["zero-shot"][0].events()[0] if e["kind"] == "warned"]
    assert NOT_TRAINED not in warned, "a method that never trains has nothing to explain"


def test_training_goes_on_where_something_is_known_or_told_or_wanted(request_: JobRequest) -> None:
    assert keeps_zero_shot(request_, level="near chance", given=0)
    for level in ("doubtful", "promising"):
        assert not keeps_zero_shot(request_, level=level, given=0)
    assert not keeps_zero_shot(request_, level="near chance", given=1)
    told = dataclasses.replace(request_, labels={"a.png": "grammar"})
    assert not keeps_zero_shot(told, level="near chance", given=0)
    for method in ("coft", "coft+", "together", "self-training", "transclip"):
        other = dataclasses.replace(request_, method=method)
        ours = method in ("coft", "coft+", "together")
        assert keeps_zero_shot(other, level="near chance", given=0) == ours
    for change in ({"train_near_chance": True}, {"phase2_model": "ViT-B-16:openai"}):
        wanted = dataclasses.replace(request_.settings, **change)
        other = dataclasses.replace(request_, settings=wanted)
        assert not keeps_zero_shot(other, level="near chance", given=0)
    assert Settings.from_overrides({"preset": "paper"}).train_near_chance
