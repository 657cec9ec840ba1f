"""A fit that goes on from any of its states ends as the one without a break, to the last bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip import scaling
from studio.clip.backbone import Backbone
from studio.coft import rounds
from studio.coft.dual import Judges
from studio.coft.events import Event, FitPart, FitState, Step
from studio.coft.keeping import Course
from studio.coft.task import Task
from studio.methods import METHODS
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK

FULL = {
    **QUICK, "rounds": 2, "contrast_weight": 0.1, "phase2_batch": 8, "phase1_batch": 4,
    "monitor_images": 6,
}  # fmt: skip
GIVEN = torch.tensor([0, 1, 2, 0, -2] + [-1] * 15)


def plain(value: Any) -> Any:
    """An event as something that can be compared."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return type(value).__name__, {f.name: plain(getattr(value, f.name)) for f in fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def through_json(state: FitState) -> FitState:
    """As it comes back from a disk."""
    parts = {
        name: FitPart(
            {key: tensor.contiguous().clone() for key, tensor in part.tensors.items()},
            json.loads(json.dumps(part.values, allow_nan=False)),
        )
        for name, part in state.parts.items()
    }
    return FitState(state.at, parts)


def went_on(events: list[Event], state: FitState) -> list[Any]:
    """What a fit that goes on from a state yields from there on."""
    (place,) = [i for i, event in enumerate(events) if event is state]
    return [plain(event) for event in events[place + 1 :] if not isinstance(event, FitState)]


def states_of(events: list[Event]) -> list[FitState]:
    return [event for event in events if isinstance(event, FitState)]


def all_due(_between: bool) -> bool:
    return True


@pytest.fixture
def arguments(vit: Backbone, inputs: Inputs) -> dict[str, Any]:
    return {**inputs(vit, Canvases(20)), "settings": Settings(**FULL), "given": GIVEN}


def check_all_states(method: str, arguments: dict[str, Any], *, every: int = 1) -> None:
    fit = METHODS[method].load()
    alone = [plain(event) for event in fit(Task(**arguments))]
    events = list(fit(Task(**arguments, state_due=all_due)))
    states = states_of(events)
    assert [plain(e) for e in events if not isinstance(e, FitState)] == alone
    assert len(states) >= 5
    for state in states[::every] + states[-1:]:
        kept = through_json(state)
        again = list(fit(Task(**arguments, state=kept)))
        assert went_on(again, kept) == went_on(events, state), (method, state.at)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "every"), [("coft+", 7), ("coft", 5), ("self-training-seeds", 4)]
)
def test_a_fit_goes_on_from_its_states_with_the_same_bits(
    arguments: dict[str, Any], method: str, every: int
) -> None:
    check_all_states(method, arguments, every=every)


@pytest.mark.slow
def test_a_fit_in_float16_goes_on_with_the_scale_that_its_losses_had(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first it is so large that steps are left out; who began with that anew left out others."""
    monkeypatch.setenv("STUDIO_PRECISION", "float16")
    monkeypatch.setattr(scaling, "FIRST", 2.0**20)
    quick = Settings(**{**FULL, "rounds": 1, "contrast_weight": 0.0})
    check_all_states("coft", {**arguments, "settings": quick}, every=4)


def test_a_fit_that_is_stopped_yields_its_state_once_and_goes_on_from_there(
    arguments: dict[str, Any],
) -> None:
    """What it does to end early is no part of the state."""
    quick = Settings(**{**FULL, "rounds": 1, "contrast_weight": 0.0})
    arguments = {**arguments, "settings": quick}
    fit = METHODS["coft"].load()
    alone = [plain(event) for event in fit(Task(**arguments))]
    seen: list[Event] = []
    task = Task(
        **arguments,
        stop=lambda: sum(isinstance(event, Step) for event in seen) >= 3,
        state_due=lambda _: False,
    )
    for event in fit(task):
        seen.append(event)
    assert seen[-1].stopped  # type: ignore[union-attr]
    (state,) = states_of(seen)
    (place,) = [i for i, event in enumerate(seen) if event is state]
    before = [plain(event) for event in seen[:place]]
    again = list(fit(Task(**arguments, state=state)))
    assert before + went_on(again, state) == alone


@pytest.mark.parametrize("steps_before", [0, 1], ids=["first labels", "labels of a round"])
def test_labels_that_were_cut_short_by_a_stop_are_in_no_state(
    arguments: dict[str, Any], steps_before: int
) -> None:
    """Who goes on later gets those that all of the rounds come to."""
    quick = Settings(**{**FULL, "rounds": 1, "contrast_weight": 0.0})
    arguments = {**arguments, "settings": quick}
    fit, seen = METHODS["coft"].load(), list[Event]()

    def stop() -> bool:
        steps = [i for i, event in enumerate(seen) if isinstance(event, Step)]
        since = seen[steps[-1] :] if steps else seen
        together = [e for e in since if getattr(e, "stage", "") == "labelling together"]
        return len(together) > 1 and bool(steps) == bool(steps_before)

    asked = list[bool]()
    task = Task(
        **arguments,
        stop=lambda: asked.append(any(asked) or stop()) or asked[-1],
        state_due=lambda _: False,
    )
    for event in fit(task):
        seen.append(event)
    assert seen[-1].stopped  # type: ignore[union-attr]
    assert states_of(seen) == []


def test_a_fit_that_goes_on_is_not_stopped_before_it_is_there(arguments: dict[str, Any]) -> None:
    quick = Settings(**{**FULL, "rounds": 1, "contrast_weight": 0.0})
    arguments = {**arguments, "settings": quick}
    fit = METHODS["coft"].load()
    states = states_of(list(fit(Task(**arguments, state_due=all_due))))
    last = [state for state in states if state.at == "phase2"][2]
    events = list(fit(Task(**arguments, state=last, stop=lambda: True)))
    assert events[-1].stage == "phase2"  # type: ignore[union-attr]
    assert events[-1].stopped  # type: ignore[union-attr]
    after = events[events.index(last) :]
    assert not [event for event in after if isinstance(event, Step)]


def test_states_of_earlier_versions_hold_what_seeds_were_chosen_from(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole tables of both models, instead of the seeds of the next round."""
    tables: list[Tensor] = []
    real = rounds._seeds_of

    def noted(scores: Tensor, task: Task) -> Any:
        tables.append(scores.clone())
        return real(scores, task)

    monkeypatch.setattr(rounds, "_seeds_of", noted)
    fit = METHODS["coft+"].load()
    settings = Settings(**FULL | {"contrast_weight": 0.0})
    events = list(fit(Task(**arguments | {"settings": settings}, state_due=all_due)))
    (first,) = [s for s in states_of(events) if s.at == "rounds"][:1]
    part = first.parts["rounds"]
    older = {
        **{name: own for name, own in part.tensors.items() if not name.startswith("further")},
        **{f"scores.{model}": own for model, own in enumerate(tables[1:3])},
    }
    values = {name: own for name, own in part.values.items() if name != "further"}
    values["scores"] = [{"tensor": "scores.0"}, {"tensor": "scores.1"}]
    kept = FitState(first.at, {**first.parts, "rounds": FitPart(older, values)})
    again = list(fit(Task(**arguments | {"settings": settings}, state=kept)))
    assert went_on(again, kept) == went_on(events, first)


@pytest.mark.parametrize("kept_as", ["log-odds", "features"])
def test_other_ranks_go_on_without_what_both_models_say_of_all_images(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch, kept_as: str
) -> None:
    """The writer alone reads it, at the end: until then a fit goes on in the same way."""
    if kept_as == "features":
        monkeypatch.setattr(Judges, "lasting", lambda self: self)
    quick = {**arguments, "settings": Settings(**{**FULL, "rounds": 1, "contrast_weight": 0.0})}
    fit = METHODS["coft"].load()
    events = list(fit(Task(**quick, state_due=all_due)))
    state = next(own for own in states_of(events) if own.at == "phase2")
    sent = through_json(rounds.for_helpers(state))
    images = len(quick["images"])
    shapes = {tuple(own.shape[:2]): name for name, own in sent.parts["rounds"].tensors.items()}
    assert (2, images) in shapes, "labels and what they weigh"
    large = [own for own in sent.parts["rounds"].tensors.values() if own.ndim == 3]
    assert not [own for own in large if own.shape[:2] == (2, images)]
    assert set(sent.parts["rounds"].values) < set(state.parts["rounds"].values)
    steps = [plain(event) for event in went_on_steps(fit(Task(**quick, state=sent)))]
    expected = went_on(events, state)
    assert steps == [event for event in expected if event[0] == "Step"]


def went_on_steps(events: Iterator[Event]) -> list[Step]:
    """Those of Phase II, after which a writer would miss the log-odds."""
    found: list[Step] = []
    for event in events:
        if isinstance(event, Step) and event.phase == 2:
            found.append(event)
            if event.model == 1 and event.step == event.steps:
                break
    return found


@pytest.mark.parametrize(("model", "left"), [(0, [2, 4]), (1, [0, 2])])
def test_states_of_earlier_versions_say_where_each_model_was(model: int, left: list[int]) -> None:
    """They trained one model after the other, and kept the place of the one that was at work."""
    order = torch.tensor([3, 1, 2, 0])
    place = {"epoch": 2, "model": model, "done": 2, "order": order}
    course = Course(2, size=1)
    course.restore({"batches": place}, [{}, {}])
    assert course.epoch == 2
    fresh = torch.tensor([0, 1, 2, 3])
    batches = [list(own.of(2, lambda: fresh)) for own in course.batches]
    assert [len(own) for own in batches] == left
    assert torch.equal(torch.cat(batches[model]), order[2:])
    assert [len(list(own.of(3, lambda: fresh))) for own in course.batches] == [4, 4]
