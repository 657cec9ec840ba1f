"""The share of clean labels is one number, wherever it stands."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from studio.export import labels_csv
from studio.numbers import percent
from studio.runs.command import summary
from studio.runs.job import run_job
from studio.runs.reader import RunReader
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.runs.worker import Worker
from studio.session.opened import open_run
from studio.session.options import Options
from studio.session.session import Session
from studio.settings import Settings
from studio.ui.compare import CompareTab
from studio.views import cards, compare, export, runs


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize(("method", "epochs"), [("coft", 1), ("coft", 0), ("coft+", 1)])
def test_the_share_of_clean_labels_is_the_same_everywhere(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    method: str, epochs: int,
) -> None:  # fmt: skip
    settings = Settings(
        **{**quick_settings, "phase2_epochs": epochs, "filter": "peer_clean_and_argmax_agree"}
    )
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), settings=settings, method=method
    )
    store, cache = RunStore(tmp_path / "runs"), tmp_path / "cache"
    run = create_run(request, store)
    run_job(request, run, cache_dir=cache, stop=lambda: False)

    with labels_csv(run, tmp_path / "labels.csv").open(newline="") as file:
        clean = [row["clean"] == "true" for row in csv.DictReader(file)]
    share = sum(clean) / len(clean)
    assert 0 < share < 1, "a number that says nothing"

    reader, result = RunReader(run), run.result()
    reader.refresh()
    outcome = reader.outcome()
    assert outcome is not None
    assert result is not None
    assert outcome.clean_share == pytest.approx(share)
    assert result.clean_fraction == pytest.approx(share)
    assert reader.scores[-1].get("clean_fraction") == pytest.approx(share)

    info, whole, shown = run.info, percent(share), f"{100 * share:.1f} %"
    session = Session(Options(tmp_path / "runs", cache), Worker(store, cache_dir=cache))
    assert f"labels clean {shown} of all" in " ".join(summary(result, run).split())
    assert whole in text_of(runs.runs_table([info], {info.id: result}, None))
    assert f"Share of clean labels {whole}" in text_of(runs.facts(info, result, command=""))
    (table,) = CompareTab(session).compared([run.id])[0]
    assert f"Share of clean labels {whole}" in text_of(compare.results_table([table, table]))
    assert f"{whole} of the labels clean" in text_of(export.about(reader, outcome))
    assert whole in text_of(cards.summary(open_run(session, run.id).outcome, result))


def test_while_a_run_is_at_work_it_is_that_of_its_latest_judgement(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path
) -> None:
    request = JobRequest(
        folder=image_folder, model=str(tiny_model), settings=Settings(**quick_settings)
    )
    run = create_run(request, RunStore(tmp_path / "runs"))
    run_job(request, run, cache_dir=tmp_path / "cache", stop=lambda: False)
    reader = RunReader(run)
    reader.refresh()
    (judged,) = [score for score in reader.scores if score.stage == "judged"]
    assert reader.outcomes()["phase1"].clean_share == pytest.approx(judged.get("clean_fraction"))
