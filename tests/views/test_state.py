from __future__ import annotations

from dataclasses import replace

from studio.views import state
from studio.views.render import render
from studio.views.runs import Ended
from studio.views.state import Work

EVIL = "<img src=x onerror=alert(1)>"
RUN = Work("Training", "checking each other's labels", 3, 6, 0.424, 185.0, "run-1")
DONE = Ended("run-1", "finished", f"57 % → about 74 % {EVIL}", "✓ 83 % clean", "first, done", True)


def test_work_tells_its_step_its_share_and_the_time_left_for_all_of_it() -> None:
    assert RUN.text == "step 3 of 6: checking each other's labels"
    assert RUN.detail == "42 %, about 3 min left"
    html = state.header(RUN, None)
    for text in ("step 3 of 6", "42 %, about 3 min left", 'aria-valuenow="42"', "width:42.4%"):
        assert text in html
    assert 'data-title="42 % – CoFT Studio"' in html
    assert 'data-active="true"' in html


def test_work_of_unknown_length_says_so_little() -> None:
    work = Work("Preparing", "loading the model")
    assert (work.text, work.detail) == ("loading the model", "")
    html = state.header(work, None)
    assert "aria-valuenow" not in html
    assert "progress-open" in html
    assert 'data-title="Preparing – CoFT Studio"' in html


def test_a_run_that_has_ended_offers_its_noisy_labels_and_the_export() -> None:
    html = state.header(None, DONE)
    assert 'data-title="✓ 83 % clean – CoFT Studio"' in html
    assert 'data-message="first, done"' in html
    assert 'data-pick="noisy run-1"' in html
    assert 'data-pick="export run-1"' in html
    assert EVIL not in html


def test_a_run_with_nothing_to_export_offers_no_export() -> None:
    html = state.header(None, replace(DONE, state="stopped", noisy=False, exports=False))
    assert "data-pick" not in html
    assert "state-buttons" not in html
    assert 'data-pick="noisy run-1"' in state.header(None, replace(DONE, exports=False))


def test_nothing_at_work_and_nothing_done_is_idle() -> None:
    html = state.header(None, None)
    assert "Idle" in html
    assert 'data-title="CoFT Studio"' in html
    assert "data-pick" not in html


def test_progress_names_the_step_and_escapes_it() -> None:
    work = Work("Preparing", f"reading {EVIL}", share=0.3)
    html = render("page/progress.html", work=work)
    assert "reading &lt;img" in html
    assert "30 %" in html
