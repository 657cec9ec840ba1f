"""How many labels of the fitted images are right, stage by stage: from the run's own scores."""

from __future__ import annotations

from typing import Any

from studio.runs.run import Run
from studio.scores import mean_known

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
        if stage == "zero-shot":
            found["zero_shot"] = event["accuracy"]
        elif stage == "seed":
            seeds.setdefault(event["round"], []).append(event["accuracy"])
        elif stage == "judged":
            rounds[event["round"]] = {
                "seeds": mean_known(seeds.get(event["round"], [])),
                "labels": event["accuracy"],
                "believed": event["clean_precision"],
                "weighted": event["belief_precision"],
            }
        elif stage == "finished":
            found |= {"finished": event["accuracy"], "grouped": event["clustering_accuracy"]}
    if rounds:
        found["rounds"] = [rounds[number] for number in sorted(rounds)]
    return found
