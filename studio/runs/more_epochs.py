"""Why a run counts more epochs of Phase I than its settings say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from studio.numbers import plural
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.coft.events import Event


def more_epochs(event: Event, settings: Settings) -> str:
    """A line for whoever has set the number of epochs and sees another; "" where it is no news.

    It comes with the first step of a model. A run with the default number has nobody who could
    wonder, and a run that goes on has said it before.
    """
    from studio.coft.events import Step

    if not isinstance(event, Step) or (event.phase, event.model, event.step) != (1, 0, 1):
        return ""
    asked, least = settings.phase1_epochs, settings.phase1_min_steps
    a_epoch = max(event.steps // event.epochs, 1)
    epochs = math.ceil(least / a_epoch)
    if asked == Settings.phase1_epochs or epochs <= asked:
        return ""
    return (
        f"Phase I takes {epochs} epochs, not {asked} (phase1_epochs): with so few seeds an epoch "
        f"is {plural(a_epoch, 'step')}, and it makes at least {least}. phase1_min_steps=0 turns "
        "that off."
    )
