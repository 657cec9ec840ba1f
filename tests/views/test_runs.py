from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.files import write_json
from studio.methods import title_of
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.runs.store import Run, RunStore
from studio.scores.estimate import Estimate
from studio.views import runs
from studio.views.figures import figures
from studio.views.render import render

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


RESULT = RunResult(
    images=12, accuracy=0.753, clean_fraction=0.83, stage="phase2",
    estimated_zero_shot_accuracy=Estimate(0.57, 0.4, 0.7),
    estimated_accuracy=Estimate(0.74, 0.66, 0.82),
    estimated_clean_precision=Estimate(0.85, 0.79, 0.9),
)  # fmt: skip
LABELS_ONLY = RunResult(
    images=12, clean_fraction=0.4, stage="zero-shot",
    estimated_zero_shot_accuracy=Estimate(0.57, 0.4, 0.7),
    estimated_accuracy=Estimate(0.57, 0.4, 0.7),
)  # fmt: skip


def test_a_card_tells_step_share_and_time_left(run: Run) -> None:
    run.set_status(
        state="running", step=4, steps=6, step_name="checking each other's labels", fraction=0.5,
        eta_seconds=60.0,
    )  # fmt: skip
    html = runs.status_card(run.info, run.status(), None)
    for text in ("Running", "step 4 of 6: checking", "50 %, about 1 min left", 'valuenow="50"'):
        assert text in html
    live = html[html.index("aria-live") : html.index("progress-line")]
    assert "step 4 of 6" in live
    assert "50 %" not in live  # a screen reader is told the step, not every number
    run.set_status(state="stopping")
    work = runs.work_of(run.info, run.status())
    assert (work.title, work.run, work.left) == ("Stopping", run.id, None)


def test_a_card_tells_why_a_run_ended(run: Run) -> None:
    run.set_status(state="failed", reason=f"out of memory {EVIL}")
    html = runs.status_card(run.info, run.status(), None)
    assert "Failed" in html
    assert "Out of memory" in html
    assert EVIL not in html
    assert "data-pick" not in html, "there is nothing to look at"


def test_a_finished_run_says_in_a_line_what_came_of_it(run: Run) -> None:
    run.set_status(state="finished")
    line = "57 % → about 74 % right (66 to 82 %), 83 % of the labels clean"
    assert RESULT.headline == line
    ended = runs.ended(run.info, RESULT)
    assert (ended.short, ended.noisy) == ("✓ 83 % clean", True)
    assert ended.message.endswith(line)
    html = runs.status_card(run.info, run.status(), RESULT)
    assert html.index(line) < html.index("Finished")
    assert "about 85 % (79 to 90 %) are right" in html
    assert html.count("data-pick=") == 2
    assert not runs.ended(run.info, replace(RESULT, clean_fraction=1.0)).noisy


def test_labels_without_training_are_confident_and_not_clean(run: Run) -> None:
    run.set_status(state="finished")
    line = "about 57 % right (40 to 70 %), confidence above 50 % for 40 % of the labels"
    assert LABELS_ONLY.headline == line
    ended = runs.ended(run.info, LABELS_ONLY)
    assert (ended.short, ended.noisy) == ("✓ finished", False)
    for html in (
        runs.status_card(run.info, run.status(), LABELS_ONLY),
        runs.facts(run.info, LABELS_ONLY, command=""),
    ):
        assert "labels clean" not in html
        assert 'data-pick="noisy' not in html


def test_a_run_without_estimates_or_result_says_what_it_can(run: Run) -> None:
    """Older runs have no estimates; a run that failed at once has no result."""
    some = RunResult(clean_fraction=0.5, stage="phase2")
    assert some.headline == "50 % of the labels clean"
    assert RunResult().headline == ""
    run.set_status(state="failed")
    ended = runs.ended(run.info, None)
    assert (ended.headline, ended.short, ended.noisy) == (run.info.name, "✗ failed", False)
    assert not ended.exports
    assert runs.ended(run.info, some).exports


def test_facts_tell_results_with_estimates_and_how_many_labels_were_given(run: Run) -> None:
    html = runs.facts(run.info, RESULT, command=f"python -m studio fit '{EVIL}'")
    for text in ("75.3 %", "about 74 % (66 to 82 %)", "about 85 % (79 to 90 %)", "83 %", "k=16"):
        assert text in html
    assert html.count("python -m studio fit") == 2  # to read, and to copy
    assert EVIL not in html
    assert "given" not in html.lower()
    given = replace(RESULT, given_labels=7)
    html = runs.facts(run.info, given, command="")
    assert "Given labels" in html
    assert "Rejected images" not in html
    assert "75.3 %, given labels included" in html
    apart = runs.facts(run.info, replace(given, test_folder="/t"), command="")
    assert "75.3 %, on the test folder" in apart
    assert "included" not in apart
    assert "data-copy" not in html
    assert "Folder" in runs.facts(run.info, None, command="")


def test_nothing_from_a_run_is_taken_for_html(run: Run) -> None:
    finished(run)
    run.set_note(f"a note {EVIL}")
    reader = RunReader(run)
    reader.refresh()
    info = run.info
    for html in (
        runs.status_card(info, run.status(), RESULT), runs.runs_table([info], {}, info.id),
        runs.facts(info, RESULT, command=EVIL), runs.warnings_html([EVIL]),
        render(
            "train/ready.html", images=True, classes=3, where=EVIL, model=EVIL, prompts=EVIL,
            doubt="",
        ),
    ):  # fmt: skip
        assert EVIL not in html


def test_the_table_of_runs_marks_the_chosen_one_and_knows_unknown(run: Run) -> None:
    info = run.info

    def table(result: RunResult | None, chosen: str | None = None) -> list[str]:
        """The cells of the one row, without tags."""
        html = runs.runs_table([info], {info.id: result}, chosen)
        row = html[html.index("<tbody>") : html.index("</tbody>")]
        cells = re.findall(r"<td.*?</td>", row, re.DOTALL)
        return [" ".join(re.sub("<.*?>", " ", cell).split()) for cell in cells]

    marked = f'data-pick="{info.id}" aria-current="true"'
    assert marked in runs.runs_table([info], {}, info.id)
    assert "aria-current" not in runs.runs_table([info], {}, None)
    assert table(RunResult(images=12))[4:7] == ["12", "–", "–"]
    assert table(None)[4:7] == ["–", "–", "–"]
    assert table(RESULT)[5:7] == [
        "about 74 % 66 to 82 %, measured 75.3 %", "83 % of those about 85 % (79 to 90 %) right",
    ]  # fmt: skip
    assert table(replace(RESULT, estimated_accuracy=None))[5] == "75.3 %"
    # Of other images, a share is not that of the labels beside it.
    apart = replace(RESULT, test_folder="/t")
    assert table(apart)[5] == "about 74 % 66 to 82 %, measured 75.3 % on the test folder"
    assert table(replace(apart, estimated_accuracy=None))[5] == "75.3 % on the test folder"
    assert table(LABELS_ONLY)[6] == "–"


def test_warnings_are_listed_once_each() -> None:
    html = runs.warnings_html(["a", "b", "a"])
    assert "2 warnings" in html
    assert html.count("<li>") == 2
    assert runs.warnings_html([]) == ""


def test_states_and_methods_have_words() -> None:
    assert runs.state_name("interrupted") == "Interrupted"
    assert runs.when("nonsense") == "–"
    assert title_of("coft+") == "CoFT+"
    assert title_of("magic") == "magic"
    choices = dict(runs.method_choices())
    assert list(choices.values())[:2] == ["coft", "coft+"]
    assert choices["CoFT"] == "coft"
    assert all(label.startswith("To compare: ") for label in list(choices)[2:])
