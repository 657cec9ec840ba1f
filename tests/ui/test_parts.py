from __future__ import annotations

from typing import Any

import pytest

from studio.ui.parts import Lazy, fresh, picked, picked_index, plotly_file
from tests.ui.conftest import event


@pytest.mark.parametrize(
    "data",
    [None, {}, [], "5", {"pick": 5}, {"pick": None}, {"pick": ["5"]}, {"pick": "x" * 201},
     {"index": 5}, 5],
)  # fmt: skip
def test_event_data_of_another_form_picks_nothing(data: Any) -> None:
    assert picked(event(data)) == ""
    assert picked_index(event(data), 10) is None


@pytest.mark.parametrize("text", ["-1", "10", "1e1", "٣", " 3", "3.0", "0x1", "9" * 50, "", "nan"])
def test_indices_out_of_range_are_refused(text: str) -> None:
    assert picked_index(event({"pick": text}), 10) is None


def test_what_the_page_sends_is_taken() -> None:
    assert picked(event({"pick": "run-1"})) == "run-1"
    assert [picked_index(event({"pick": str(i)}), 10) for i in (0, 9)] == [0, 9]


def test_only_what_changed_is_sent_and_made() -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return "big"

    shown, sent = fresh({}, {"a": (1, "A"), "b": ("m", Lazy(make))})
    assert sent == {"a": "A", "b": "big"}
    shown, sent = fresh(shown, {"a": (2, "B"), "b": ("m", Lazy(make))})
    assert sent == {"a": "B"}
    assert made == ["x"]
    assert fresh(shown, {"a": (2, "B"), "b": ("m", Lazy(make))}) == (shown, {})


@pytest.mark.parametrize("shown", [None, [], "x", 3])
def test_a_state_that_makes_no_sense_means_that_nothing_is_shown(shown: Any) -> None:
    assert fresh(shown, {"a": (1, "A")})[1] == {"a": "A"}


def test_plotly_js_lies_in_the_wheel() -> None:
    assert plotly_file().stat().st_size > 1_000_000
