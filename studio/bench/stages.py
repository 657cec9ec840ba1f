"""How many labels of the fitted images are right, stage by stage: from the run's own scores."""

from __future__ import annotations

from typing import Any

from studio.runs.run import Run

Stages = dict[str, Any]


def stages(run: Run) -> Stages:
    """Shares in [0, 1] of right labels; a stage that the method does not have is missing.

    zero_shot, finished: of all images; grouped: finished, had the classes exchanged their names in
    the best way (clustering accuracy); rounds: a list with, for each round of Phase I, seeds (of
    both models together), labels (of all images), believed (of those called clean) and weighted
    (of the peers' belief, p_clean), each the mean of both models.
    """
    found: Stages = {}
    seeds: dict[int, list[float | None]] = {}
    rounds: dict[int, dict[str, float | None]] = {}
    for event in run.events()[0]:
        if event["kind"] != "score":
            continue
        stage = event["stage"]
        if stage in ("zero-shot", "finished"):
            found[stage.replace("-", "_")] = event["accuracy"]
            if "clustering_accuracy" in event:
                found["grouped"] = event["clustering_accuracy"]
        elif stage == "seed":
            seeds.setdefault(event["round"], []).append(event["accuracy"])
        elif stage == "judged":
            rounds[event["round"]] = {
                "seeds": _mean(seeds.get(event["round"], [])),
                "labels": event["accuracy"],
                "believed": event["clean_precision"],
                "weighted": event.get("belief_precision"),
            }
    if rounds:
        found["rounds"] = [rounds[number] for number in sorted(rounds)]
    return found


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
