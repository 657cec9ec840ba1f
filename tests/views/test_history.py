from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from studio.files import write_json
from studio.runs.history import HistoryStep, LabelHistory
from studio.runs.reader import RunReader
from studio.runs.store import Run, RunStore
from studio.views.detail import detail
from tests.views.conftest import make_outcome

N = 6


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = RunStore(tmp_path / "runs").create(
        name="x", method="coft", model="embedded", folder="/photos", class_names=("a", "b", "c")
    )
    images = [f"{number}.jpg" for number in range(N)]
    write_json(made.path / "images.json", {"root": "/photos", "images": images, "refused": []})
    yield made
    made.set_status(state="finished")


def write(run: Run, kind: str, tensors: dict[str, torch.Tensor], **more: object) -> None:
    run.append({"kind": kind, **more, "arrays": run.write_arrays(kind, tensors)})


def monitor(run: Run, phase: int, epoch: int, labels: list[list[int]]) -> None:
    tensors = {"indices": torch.tensor([4, 1]), "labels": torch.tensor(labels)}
    shares = {"agreement": 0.5, "clean_fraction": 0.5}
    write(run, "monitor", tensors, phase=phase, epoch=epoch, epochs=3, **shares)


def shown(steps: list[HistoryStep], watched: int, **changes: object) -> str:
    return detail(make_outcome(**changes), 0, "", history=steps, watched=watched)


def story(run: Run) -> None:
    zero = torch.zeros(N, dtype=torch.int64)
    write(run, "zero_shot", {"labels": zero, "confidence": torch.full((N,), 0.4)})
    for epoch in (1, 2):
        monitor(run, 1, epoch, [[0, 0], [1, 1]])
    monitor(run, 1, 3, [[2, 0], [1, 1]])
    both = torch.stack([zero + 2, zero + 1])
    shares = torch.tensor([[0.9], [0.2]]).expand(2, N).contiguous()
    write(run, "judged", {
        "labels": both, "confidence": shares, "clean_probability": shares,
        "own_clean_probability": 1 - shares, "clean": shares > 0.5,
    })  # fmt: skip
    monitor(run, 2, 1, [[2, 2], [2, 2]])
    tensors = {"model_labels": both, "model_clean_probability": shares}
    write(run, "finished", tensors, stage="phase2", stopped=False)


def read(run: Run) -> LabelHistory:
    reader = RunReader(run)
    reader.refresh()
    return reader.history


def test_an_image_is_followed_through_all_stages(run: Run) -> None:
    story(run)
    history = read(run)
    steps = history.of(4)
    assert [(s.stage, s.epochs) for s in steps] == [
        ("Zero-shot", None), ("Phase I", (1, 2)), ("Phase I", (3, 3)), ("After Phase I", None),
        ("Phase II", (1, 1)), ("Final, by model", None),
    ]  # fmt: skip
    assert [s.labels for s in steps] == [(0,), (0, 1), (2, 1), (2, 1), (2, 2), (2, 1)]
    judged = steps[3]
    assert judged.clean_probability == pytest.approx((0.9, 0.2))
    assert judged.own_clean_probability == pytest.approx((0.1, 0.8))
    assert history.watched == 2


def test_an_image_that_was_not_watched_is_told_so(run: Run) -> None:
    story(run)
    history = read(run)
    assert [s.stage for s in history.of(0)] == ["Zero-shot", "After Phase I", "Final, by model"]
    html = shown(history.of(0), history.watched)
    assert "2 images picked at random" in html
    assert "picked at random" not in shown(history.of(4), history.watched)


def test_what_comes_later_is_taken_in(run: Run) -> None:
    reader = RunReader(run)
    reader.refresh()
    history = reader.history
    assert history.of(4) == []
    assert "History" not in shown([], 0)
    story(run)
    reader.refresh()
    first = len(history.of(4))
    reader.refresh()
    assert len(history.of(4)) == first == 6


def test_the_table_names_classes_and_judgements(run: Run) -> None:
    story(run)
    history = read(run)
    html = shown(history.of(4), 2, class_names=("<b>", "cat", "dog"))
    for text in (
        "&lt;b&gt;", "Phase I, epochs 1–2", "Phase I, epoch 3", "confidence 40 %",
        "90 % clean to model 2", "20 % clean to model 1", "80 % to itself",
    ):  # fmt: skip
        assert text in html
    assert "<b>," not in html
    assert "<td><b>" not in html


@pytest.mark.parametrize(("final", "steps"), [(0, ["Zero-shot"]), (1, ["Zero-shot", "Final"])])
def test_labels_without_training_have_no_two_models(run: Run, final: int, steps: list[str]) -> None:
    zero = torch.zeros(N, dtype=torch.int64)
    write(run, "zero_shot", {"labels": zero, "confidence": torch.full((N,), 0.4)})
    tensors = {
        "model_labels": torch.stack([zero + final] * 2),
        "model_clean_probability": torch.full((2, N), 0.4),
    }
    write(run, "finished", tensors, stage="zero-shot", stopped=False)
    found = read(run).of(4)
    assert [step.stage for step in found] == steps
    assert [step.labels for step in found] == [(0,), (1,)][: len(steps)]
    assert "clean to model" not in shown(found, 0), "no model has judged a label"
