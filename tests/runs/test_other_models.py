"""Runs whose first labels are those on which two models agree."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from studio.coft.task import Task
from studio.errors import ModelError, SettingsError
from studio.runs import work
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.session.limits import Limits
from studio.settings import Settings


@pytest.fixture
def request_(image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any]) -> JobRequest:
    settings = Settings(**quick_settings | {"phase1_epochs": 1, "phase2_epochs": 0})
    return JobRequest(folder=image_folder, model=str(tiny_model), settings=settings)


def with_other(request: JobRequest, name: str) -> JobRequest:
    settings = dataclasses.replace(request.settings, consensus_model=name)
    return dataclasses.replace(request, settings=settings)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that methods are given."""
    tasks: list[Task] = []
    method = work.method_of("coft")
    fit = method.load()

    def noted(task: Task) -> Any:
        tasks.append(task)
        return fit(task)

    known = dataclasses.replace(method)
    object.__setattr__(known, "load", lambda: noted)
    monkeypatch.setattr(work, "method_of", lambda _: known)
    monkeypatch.setattr(work, "keeps_zero_shot", lambda *_, **__: False)
    return tasks


@pytest.mark.slow
def test_a_further_model_is_asked_what_it_sees(
    request_: JobRequest, other_tiny_model: Path, tmp_path: Path, told: list[Task]
) -> None:
    weights = tmp_path / "image.safetensors"
    save_file(timm.create_model("mobilenetv3_small_050", pretrained=False).state_dict(), weights)
    image_only = f"timm:mobilenetv3_small_050={weights}"
    for number, name in enumerate((str(other_tiny_model), image_only)):
        store = RunStore(tmp_path / str(number))
        request = with_other(request_, name)
        result = run_job(
            request, create_run(request, store), cache_dir=tmp_path / "cache", stop=lambda: False
        )
        assert result.settings["consensus_model"] == name
        (opinion,) = told[number].others
        torch.testing.assert_close(opinion.pictures.norm(dim=1), torch.ones(36))
        own = told[number].start.pictures
        assert opinion.pictures.shape != own.shape or not torch.allclose(opinion.pictures, own)
        if opinion.probabilities is not None:
            assert opinion.probabilities.shape == (36, 3)
    assert told[0].others[0].probabilities is not None
    assert told[1].others[0].probabilities is None


def test_a_further_model_that_would_not_be_asked_is_refused(
    request_: JobRequest, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs")
    with pytest.raises(SettingsError, match="is for coft and coft"):
        create_run(dataclasses.replace(with_other(request_, "embedded"), method="upl"), store)
    with pytest.raises(SettingsError, match="a model agrees with itself"):
        create_run(with_other(request_, request_.model), store)


def test_strangers_name_no_file_as_a_further_model(request_: JobRequest) -> None:
    request = dataclasses.replace(with_other(request_, "timm:vgg11=/etc/passwd"), model="embedded")
    with pytest.raises(ModelError, match="On this page the model is one of"):
        Limits().check_request(request)
