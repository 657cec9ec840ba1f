"""A model that knows nothing of the images teaches itself nothing: then nothing is trained."""

from __future__ import annotations

from studio.methods import METHODS
from studio.runs.request import JobRequest

NOT_TRAINED = (
    "Nothing was trained, and the labels are the zero-shot ones: from labels near chance training "
    "learns nothing but their mistakes. Give a few right labels, try other names or another "
    "model, or set train_near_chance=true to train all the same."
)


def keeps_zero_shot(request: JobRequest, *, level: str, given: int) -> bool:
    """Whether a method of the studio's own leaves this data set as it is.

    Not where a person or a judge gave labels, where labels came with the images (both tell what the
    model does not), where another model is to be trained, or where the settings want training.

    level: of `scores.knowledge`; given: how many labels they gave.
    """
    settings = request.settings
    told = bool(given or request.labels)
    return (
        level == "near chance"
        and METHODS[request.method].cautious
        and not (told or settings.train_near_chance or settings.phase2_model)
    )
