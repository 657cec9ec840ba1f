"""How many labels of the fitted images are right, stage by stage: from the run's own scores."""

from __future__ import annotations

from typing import Any

from studio.runs.reader import RunReader
from studio.runs.run import Run
from studio.scores import mean_known

Stages = dict[str, Any]


def stages(run: Run) -> Stages:
    """Shares in [0, 1] of right labels; a stage that the method does not have is missing.

    zero_shot, finished: of all images; grouped: finished, had the classes exchanged their names in
    the best way (clustering accuracy); rounds: a list with, for each round of Phase I, seeds (of
    both models together), labels (of all images), clean (of the clean ones) and weighted
    (of the peers' belief, p_clean), each the mean of both models.
    """
    reader = RunReader(run)
    reader.refresh()
    found: Stages = {}
    seeds: dict[int, list[float | None]] = {}
    rounds: dict[int, dict[str, float | None]] = {}
    for score in reader.scores:
        number, accuracy = score.round_number or 1, score.get("accuracy")
        if score.stage == "zero-shot":
            found["zero_shot"] = accuracy
        elif score.stage == "seed":
            seeds.setdefault(number, []).append(accuracy)
        elif score.stage == "judged":
            rounds[number] = {
                "seeds": mean_known(seeds.get(number, [])),
                "labels": accuracy,
                "clean": score.get("clean_precision"),
                "weighted": score.get("belief_precision"),
            }
        elif score.stage == "finished":
            found |= {"finished": accuracy, "grouped": score.get("clustering_accuracy")}
    if rounds:
        found["rounds"] = [rounds[number] for number in sorted(rounds)]
    return found
