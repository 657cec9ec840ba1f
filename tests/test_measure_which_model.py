from __future__ import annotations

import numpy as np

from studio.prompts.prompt_set import PromptSet
from studio.runs.which_model import Looked, Ranked
from studio.scores.consensus import Standing
from tools.measure_which_model import Found, table


def test_the_table_says_who_was_first_who_was_best_and_what_a_rule_costs() -> None:
    def looked(model: str, accuracy: float) -> Looked:
        votes = np.full((2, 2), 0.5, np.float32)
        return Looked(model, votes, "promising", "", 5.0, None, 1.0, accuracy)

    good, poor = looked("/models/good", 0.8), looked("poor", 0.5)
    pairs = ((poor, Standing(1, 0.9, 0.6)), (good, Standing(2, 0.7, 0.4)))
    ranked = Ranked(2, ("a", "b"), PromptSet(), pairs)
    wrong = Found("one", ranked, frozenset({"/models/good"}), {"z": "/models/good"})
    tied = Found("two", ranked, frozenset({"/models/good", "poor"}), {"z": "poor"})
    lines = table([wrong, tied]).splitlines()
    assert lines[0] == "| set | classes | good | poor | first | best? |"
    assert lines[1].count("|") == lines[0].count("|")
    assert lines[2] == "| one | 2 | **80.0, 70** | 50.0, 90 | poor | no |"
    assert lines[3] == "| two | 2 | **80.0, 70** | **50.0, 90** | poor | yes |"
    assert "| agreement (the rule) | 1 of 2 | 30.0 | 30.0 |" in lines
    assert "| z | 2 of 2 | 15.0 | 30.0 |" in lines
