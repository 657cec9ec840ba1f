from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.runs.files import write_json
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.runs.store import Run, RunStore
from studio.views import runs
from studio.views.figures import figures

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    store = RunStore(tmp_path / "runs")
    made = store.create(
        name=f"my {EVIL} photos", method="coft", model="embedded", folder="/photos",
        class_names=("cat", EVIL), settings={"k": 16},
    )  # fmt: skip
    yield made
    if made.path.exists():
        made.set_status(state="finished")


def finished(run: Run) -> None:
    n = 6
    tensors = {
        "labels": torch.arange(n) % 2, "confidence": torch.full((n,), 0.8),
        "clean_probability": torch.linspace(0, 1, n), "clean": torch.arange(n) > 2,
        "model_labels": torch.stack([torch.arange(n) % 2, torch.zeros(n, dtype=torch.int64)]),
        "model_clean_probability": torch.rand(2, n),
        "top_labels": torch.zeros(n, 2, dtype=torch.int64), "top_probabilities": torch.rand(n, 2),
    }  # fmt: skip
    _images(run, n)
    line = {"kind": "finished", "stage": "phase2", "stopped": False}
    run.append({**line, "arrays": run.write_arrays("finished", tensors)})


def judged(run: Run) -> None:
    tensors = {
        "labels": torch.tensor([[0, 0], [1, 1]]),
        "clean_probability": torch.tensor([[0.9, 0.2], [0.3, 0.6]]),
        "own_clean_probability": torch.rand(2, 2),
        "clean": torch.tensor([[True, False], [False, True]]),
        "confidence": torch.tensor([[0.7, 0.6], [0.5, 0.4]]),
    }
    _images(run, 2)
    run.append({"kind": "judged", "arrays": run.write_arrays("judged", tensors)})


def _images(run: Run, n: int) -> None:
    value = {"root": "/photos", "images": [f"{i}.jpg" for i in range(n)], "refused": []}
    write_json(run.path / "images.json", value)


def step(number: int) -> dict[str, Any]:
    return {
        "kind": "step", "phase": 1, "model": 0, "step": number, "steps": 9, "epoch": 1,
        "epochs": 1, "loss": 1.0, "learning_rate": 0.1, "parts": {},
    }  # fmt: skip


def test_a_reader_takes_in_only_what_is_new(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RunReader(run)
    asked = []
    read = Run.events
    monkeypatch.setattr(
        Run, "events", lambda self, after=0: asked.append(after) or read(self, after)
    )
    for number in range(1, 4):
        run.append(step(number))
        reader.refresh()
    assert len(figures(reader.curves)[0]["traces"][0]["x"]) == 3
    assert asked[0] == 0
    assert asked == sorted(set(asked))  # never the same bytes twice


def test_a_torn_last_line_is_read_when_it_is_whole(run: Run) -> None:
    reader, line = RunReader(run), json.dumps(step(1)) + "\n"
    with (run.path / "events.jsonl").open("a") as file:
        file.write(line[:20])
        file.flush()
        reader.refresh()
        assert reader.curves.seen == 0
        file.write(line[20:])
    reader.refresh()
    assert reader.curves.seen == 1


def test_the_outcome_is_what_the_arrays_say(run: Run) -> None:
    reader = RunReader(run)
    assert reader.outcome() is None
    finished(run)
    reader.refresh()
    outcome = reader.outcome()
    assert outcome is not None
    assert outcome.paths == tuple(f"{i}.jpg" for i in range(6))
    assert outcome.clean.tolist() == [False, False, False, True, True, True]
    assert outcome.disagree.tolist() == [False, True] * 3
    assert outcome.truth is None


def test_after_phase_one_the_label_is_the_better_judged_one(run: Run) -> None:
    reader = RunReader(run)
    judged(run)
    reader.refresh()
    outcome = reader.outcome()
    assert outcome is not None
    assert outcome.stage == "phase1"
    assert outcome.labels.tolist() == [0, 1]
    assert outcome.clean_probability.tolist() == pytest.approx([0.9, 0.6])
    assert outcome.clean.tolist() == [True, True]
    finished(run)
    reader.refresh()
    final = reader.outcome()
    assert final is not None
    assert len(final) == 6


def test_a_card_tells_state_stage_and_time_left(run: Run) -> None:
    work = {"done": 40, "total": 80, "label": "steps"}
    run.set_status(state="running", stage="phase 1", progress=work, stage_eta_seconds=75.0)
    html = runs.status_card(run.info, run.status())
    for text in ("Running", "Phase I", "40 of 80 steps", "about 1 min 15 s left", 'valuenow="50"'):
        assert text in html
    live = html[html.index("aria-live") : html.index("progress-line")]
    assert "40 of 80" not in live  # a screen reader is told the stage, not every number


def test_a_card_tells_why_a_run_ended(run: Run) -> None:
    run.set_status(state="failed", reason=f"out of memory {EVIL}")
    html = runs.status_card(run.info, run.status())
    assert "Failed" in html
    assert "Out of memory" in html
    assert EVIL not in html


def test_facts_tell_how_many_labels_were_given(run: Run) -> None:
    result = {"images": 12, "given_labels": 0, "given_rejected": 0, "accuracy": 0.75}
    write_json(run.path / "result.json", result)
    assert "given" not in runs.facts(run, run.info).lower()
    write_json(run.path / "result.json", {**result, "given_labels": 7})
    html = runs.facts(run, run.info)
    assert "Given labels" in html
    assert "Given rejected" not in html
    assert "75.0 %, given labels included" in html
    write_json(run.path / "result.json", {**result, "given_labels": 7, "test_folder": "/test"})
    assert "included" not in runs.facts(run, run.info)


def test_nothing_from_a_run_is_taken_for_html(run: Run) -> None:
    finished(run)
    reader = RunReader(run)
    reader.refresh()
    info = run.info
    for html in (
        runs.status_card(info, run.status()), runs.runs_table([info], {}, info.id),
        runs.facts(run, info), runs.warnings_html([EVIL]), runs.header_chip(run.status()),
        runs.ready(images=True, classes=3, where=EVIL, model=EVIL, prompts=EVIL),
    ):  # fmt: skip
        assert EVIL not in html


def test_the_table_of_runs_marks_the_chosen_one_and_knows_unknown(run: Run) -> None:
    info = run.info
    html = runs.runs_table([info], {info.id: RunResult(images=12)}, info.id)
    assert f'data-pick="{info.id}" aria-current="true"' in html
    assert ">12<" in html
    assert ">–<" in html
    assert "aria-current" not in runs.runs_table([info], {}, None)


def test_warnings_are_listed_once_each() -> None:
    html = runs.warnings_html(["a", "b", "a"])
    assert "2 warnings" in html
    assert html.count("<li>") == 2
    assert runs.warnings_html([]) == ""


def test_stages_and_states_have_words() -> None:
    assert runs.stage_name("phase 2").startswith("Phase II")
    assert runs.stage_name("encoding images") == "Encoding images"
    assert runs.stage_name(None) == ""
    assert runs.state_name("interrupted") == "Interrupted"
    assert runs.when("nonsense") == "–"
