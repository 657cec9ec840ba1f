"""How far images seem to be of none of the classes (`scores.strangers`), in the background.

Runs say it themselves. Of the images at hand, and of runs of versions that did not ask, it is found
out here, exactly as a run would: with the model that has looked at them, and the same sentences.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.session.encoded import encoded_of, prompts_of
from studio.session.tasks import Task

if TYPE_CHECKING:
    from studio.session.opened import Opened


def strangers_of(opened: Opened) -> Task | None:
    """The task whose value is (N,) in [0, 1], higher = rather of none of the classes; an image that
    is gone from its folder has 0. None when all of them are gone.
    """
    if opened.outcome.strangers is not None:
        return Task.of(opened.outcome.strangers)
    if not opened.there:
        return None
    before, names, prompts = encoded_of(opened), opened.outcome.class_names, prompts_of(opened)

    def make(task: Task) -> NDArray[np.float32]:
        progress = task.begin("Comparing the images with other nouns")
        encoded = before.result()  # asked for first, ended by now
        score = encoded.strangers(names, prompts, progress=progress)
        at = opened.read().at
        found = np.zeros(len(at), np.float32)
        found[at >= 0] = score[at[at >= 0]]
        return found

    key = ("strangers", opened.key, names, json.dumps(prompts.to_dict(), sort_keys=True))
    return opened.session.tasks.ask(key, "Comparing the images with other nouns", make, again=True)
