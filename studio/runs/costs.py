"""What the steps of a run of CoFT cost, also those that have not begun.

Nearly all of its time goes through image towers, so work is counted in passes: one image, once,
forwards through one tower. Measured on five runs over 224 to 2,000 photos with the built-in model
on one CPU core, where encoding took 27 to 37 ms an image: a seed's view takes 0.40 to 0.43 of that,
an image of a step of Phase I 0.29 to 0.58, judging an image by both models 0.92 to 1.2, an image of
Phase II 2.0 to 3.3, labelling 1.5 to 2.1, a test image 1.5 to 3.0. Transformers train through the
whole tower in Phase I: the factors of `_WHOLE` are arithmetic, and not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from studio.settings import Settings

VIEW, TRAINED, LABELLED, TESTED = 0.42, 2.8, 1.8, 2.5
"""Passes of a seed's view, of an image of Phase II for each model, and for both models of an image
that is labelled and of a test image."""
PHASE1, JUDGED = 0.35, 1.1
"""Passes of an image of a step of Phase I, for each model, and of an image that both judge."""
PHASE1_WHOLE, JUDGED_WHOLE = 2.5, 2.0
"""The same where no stage of the tower is frozen, so that no views of the seeds are kept."""

Range = tuple[float, float]
"""(least, most) passes."""


@dataclass
class Costs:
    """The sizes of a run as far as they are known, and what follows from them.

    models: how many are trained; images, tests: how many there are; seeds: of a round of Phase I,
    None = not known yet; views: whether the seeds' are kept, None = not known yet.
    """

    settings: Settings
    models: int = 2
    images: int = 0
    tests: int = 0
    seeds: int | None = None
    views: bool | None = None

    @property
    def encoding(self) -> Range:
        """Features of all images."""
        return _sure(self.images)

    @property
    def seed_views(self) -> Range:
        """The views of the seeds that Phase I begins with."""
        if self.views is not False and self.seeds is not None:
            most = VIEW * self.settings.phase1_views * self.seeds
            return (most if self.views else 0.0, most)
        return _sure(0)

    @property
    def phase1(self) -> Range:
        """Its steps: at least the settings' floor, at most for half of the images as seeds."""
        set_to = self.settings

        def images(seeds: float) -> float:
            taken = set_to.in_epoch(ceil(seeds))
            steps = set_to.phase1_epochs * ceil(taken / set_to.phase1_batch)
            return max(steps, set_to.phase1_min_steps) * min(set_to.phase1_batch, max(seeds, 1))

        few, many = (self.seeds,) * 2 if self.seeds is not None else (16, self.images / 2)
        least, most = self._by_tower(PHASE1, PHASE1_WHOLE)
        each = self.models * set_to.rounds
        return each * least * images(few), each * most * images(max(few, many))

    @property
    def judging(self) -> Range:
        """Both models' judgement of all images."""
        least, most = self._by_tower(JUDGED, JUDGED_WHOLE)
        return least * self.images, most * self.images

    @property
    def phase2(self) -> Range:
        """Phase II, where it learns from all images, or as many as an epoch takes."""
        taken = self.settings.in_epoch(self.images)
        return _sure(self.settings.phase2_epochs * self.models * TRAINED * taken)

    @property
    def labelling(self) -> Range:
        """The last labels, without those of the test images."""
        return _sure(LABELLED * self.images)

    @property
    def testing(self) -> Range:
        """The labels of the test images."""
        return _sure(TESTED * self.tests)

    def _by_tower(self, frozen: float, whole: float) -> Range:
        if self.views is None:
            return (frozen, whole)
        return _sure(frozen if self.views else whole)


def _sure(passes: float) -> Range:
    return (passes, passes)
