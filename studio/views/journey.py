"""An image's way through a run: what it was called at each stage, and how far that was believed."""

from __future__ import annotations

from studio.runs.history import HistoryStep
from studio.runs.outcome import Outcome
from studio.views.markup import esc
from studio.views.numbers import percent


def journey_table(outcome: Outcome, stops: list[HistoryStep], watched: int) -> str:
    """The way of an image as a table in HTML; what differs from the final label is marked.

    Args:
        outcome: the run's labels.
        stops: of the image, see `LabelHistory.of`.
        watched: how many images the run looked at after each epoch.
    """
    if not stops:
        return ""
    body = "".join(
        f'<tr><th scope="row">{esc(_when(stop))}</th>{_cells(outcome, stop)}</tr>' for stop in stops
    )
    note = ""
    if watched and not any(stop.epochs for stop in stops):
        note = (
            f'<p class="quiet">Single epochs are known of {watched} images picked at random; '
            "this is none of them.</p>"
        )
    return (
        '<div class="table-wrap"><table class="plain journey"><thead><tr><th scope="col">stage</th>'
        '<th scope="col">model 1</th><th scope="col">model 2</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _when(stop: HistoryStep) -> str:
    if stop.epochs is None:
        return stop.stage
    first, last = stop.epochs
    numbers = f"epoch {first}" if first == last else f"epochs {first}–{last}"
    return f"{stop.stage}, {numbers}"


def _cells(outcome: Outcome, stop: HistoryStep) -> str:
    if len(stop.labels) == 1:  # before there were two models
        return f'<td colspan="2">{_said(outcome, stop, 0)}</td>'
    return "".join(f"<td>{_said(outcome, stop, model)}</td>" for model in range(len(stop.labels)))


def _said(outcome: Outcome, stop: HistoryStep, model: int) -> str:
    facts = []
    if stop.confidence:
        facts.append(f"{percent(stop.confidence[model])} sure")
    if stop.clean_probability:
        facts.append(f"{percent(stop.clean_probability[model])} clean to model {2 - model}")
    if stop.own_clean_probability:
        facts.append(f"{percent(stop.own_clean_probability[model])} to itself")
    small = f"<small>{esc(', '.join(facts))}</small>" if facts else ""
    return f"{esc(outcome.name(stop.labels[model]))}{small}"
