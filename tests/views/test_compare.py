from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from studio.analysis.compared import MOST, ComparedRun, warnings
from studio.prompts.prompt_set import PromptSet
from studio.runs.result import RunResult
from studio.runs.store import RunInfo
from studio.views.compare import choices, results_table, settings_table


def info(number: int = 0, **changes: Any) -> RunInfo:
    values: dict[str, Any] = {
        "id": f"20260101-00000{number}-x-coft", "created": "2026-01-01T00:00:00+00:00",
        "name": f"run {number}", "method": "coft", "model": "embedded", "folder": "/photos",
        "class_names": ("cat", "dog"), "settings": {"seed": 0, "k": 16, "filter": "none"},
        "state": "finished",
    }  # fmt: skip
    return RunInfo(**{**values, **changes})


def compared(
    place: int,
    *,
    root: str = "/photos",
    result: Any = None,
    clean: float | None = None,
    **changes: Any,
) -> ComparedRun:
    usual = {"images": 10, "accuracy": 0.5, "seconds": 61.0, "stage": "phase2"}
    values = usual if result is None else result
    return ComparedRun(
        place,
        info(place, **changes),
        root=root,
        result=RunResult.from_dict(values) if values else None,
        clean=clean,
    )


def rows(html: str) -> dict[str, list[str]]:
    """Name of a row -> its cells without markup."""
    found = re.findall(r'<tr>\s*<th scope="row">(.*?)</th>(.*?)</tr>', html, re.S)
    return {
        name: [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", cells)]
        for name, cells in found
    }


def test_every_run_has_a_box_with_its_name_as_label() -> None:
    infos = [info(n, name=f"<i>{n}</i>") for n in range(3)]
    html = choices(infos, {infos[1].id: RunResult(images=10, accuracy=0.5)}, [infos[2].id])
    assert "<i>" not in html
    boxes = re.findall(r'<input type="checkbox" id="(.*?)" data-check="(.*?)"( checked)?>', html)
    assert [box[1] for box in boxes] == [i.id for i in infos]
    assert [bool(box[2]) for box in boxes] == [False, False, True]
    assert all(f'<label for="{box[0]}">' in html for box in boxes)
    assert f'data-most="{MOST}"' in html
    assert "50.0 %" in html


def test_one_run_cannot_be_compared() -> None:
    assert "Two runs are needed" in choices([info()], {}, [])
    assert "<input" not in choices([info()], {}, [])


def test_results_stand_side_by_side_with_their_distance() -> None:
    second = {"images": 10, "accuracy": 0.625, "seconds": 5.0, "stage": "phase1"}
    found = rows(results_table([compared(0), compared(1, result=second)]))
    assert found["Accuracy"] == ["50.0 %", "62.5 % +12.5"]
    assert found["Time taken"] == ["1 min 1 s", "5 s"]
    assert found["Came as far as"] == [
        "Train the classifier (Phase II)", "Learn which labels are clean (Phase I)",
    ]  # fmt: skip
    assert "Agreement" not in " ".join(found)  # neither run says it


def test_estimates_are_shown_as_such() -> None:
    guess = {"estimated_accuracy": 0.7, "estimated_accuracy_low": 0.5,
             "estimated_accuracy_high": 0.9}  # fmt: skip
    found = rows(results_table([compared(0), compared(1, result=guess)]))
    name = "Right, estimated without labels"
    assert found[name] == ["–", "about 70 % (50 to 90 %)"]
    assert name not in rows(results_table([compared(0), compared(1)]))


def test_a_run_without_results_leaves_its_column_empty() -> None:
    found = rows(results_table([compared(0, result={}), compared(1)]))
    assert found["Accuracy"] == ["–", "50.0 %"]
    assert found["Images"] == ["–", "10"]


def test_only_settings_that_differ_are_listed() -> None:
    html = settings_table(
        [
            compared(0),
            compared(1, model="<ViT>", settings={"seed": 1, "k": 32, "filter": "none"}, seed=1),
        ]
    )
    found = rows(html)
    assert found == {"model": ["embedded", "&lt;ViT&gt;"], "seed": ["0", "1"], "k": ["16", "32"]}
    assert "<code>filter=none</code>" in html


def test_prompts_and_corrections_are_compared_too() -> None:
    def prompts(*templates: str, **sentences: list[str]) -> dict[str, Any]:
        return PromptSet(templates=templates, sentences=sentences).to_dict()

    first = replace(compared(0), prompts=prompts("a {}", "the {}"))
    more = replace(compared(1), prompts=prompts("a {}", "the {}", cat=["a cat purrs"]))
    found = rows(settings_table([first, more]))
    assert found["prompts"] == ["2 templates", "2 templates and 1 sentence"]
    other = replace(compared(1), prompts=prompts("a {}", "my {}"))
    assert rows(settings_table([first, other]))["prompts"] == [
        "2 templates, wording 1", "2 templates, wording 2"
    ]  # fmt: skip
    assert "prompts" not in rows(settings_table([first, replace(first, place=1)]))
    assert "prompts" in rows(settings_table([first, replace(compared(1), prompts={"format": "x"})]))
    corrected = compared(1, result={"given_labels": 3, "given_rejected": 1})
    assert rows(settings_table([compared(0), corrected]))["corrections"] == [
        "none", "3 given, 1 rejected"
    ]  # fmt: skip


def test_settings_of_other_versions_are_shown_as_missing() -> None:
    found = rows(settings_table([compared(0), compared(1, settings={"new": True})]))
    assert found["new"] == ["–", "true"]
    assert found["k"] == ["16", "–"]


def test_equal_runs_say_so() -> None:
    assert "All settings are the same" in settings_table([compared(0), compared(1)])


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, ""),
        ({"root": "/elsewhere"}, "different folders"),
        ({"class_names": ("cat", "cow")}, "different classes"),
        ({"class_names": ("dog", "cat")}, ""),
        ({"result": {}}, "Without final results: B"),
        ({"result": {"accuracy": 0.5, "test_folder": "/t"}}, "different test folders"),
    ],
)
def test_what_hinders_a_comparison_is_told(other: dict[str, Any], told: str) -> None:
    sentences = warnings([compared(0), compared(1, **other)])
    assert (told in " ".join(sentences)) if told else sentences == []


def test_other_classes_hide_no_other_test_folder() -> None:
    other: Any = {"class_names": ("cat", "cow"), "result": {"accuracy": 0.5, "test_folder": "/t"}}
    told = " ".join(warnings([compared(0), compared(1, **other)]))
    assert "different classes" in told
    assert "different test folders" in told


def test_runs_with_the_same_test_folder_can_be_compared() -> None:
    apart = {"accuracy": 0.5, "test_folder": "/t"}
    assert warnings([compared(number, result=apart) for number in (0, 1)]) == []


def test_estimates_stand_beside_what_is_known() -> None:
    guess = {"estimated_accuracy": 0.62, "estimated_accuracy_low": 0.5,
             "estimated_accuracy_high": 0.74}  # fmt: skip
    found = rows(results_table([compared(0, result=guess), compared(1)]))
    told = found["Right, estimated without labels"]
    assert told[0] == "about 62 % (50 to 74 %)"
    assert "%" not in told[1]
    assert "Right, estimated without labels" not in rows(results_table([compared(0), compared(1)]))
