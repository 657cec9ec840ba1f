"""How much a visitor may ask of a studio that strangers share, and the words that say so."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from studio.clip.presets import presets
from studio.errors import FolderError, ModelError, RunError, SettingsError
from studio.images.uploads import Allowance
from studio.numbers import plural
from studio.runs.request import JobRequest

_HOUR_S = 3600.0


@dataclass(frozen=True)
class Limits:
    """images, megabytes: of one upload, unpacked; megapixels: of one image; room_megabytes: of a
    visitor's uploads in all; epochs: of each phase; minutes: of a run; an_hour: runs; classes: of a
    data set; kept_hours: after the last visit; demo: pictures of each class of the demo set, 0: all
    that it has; slice_seconds: for which a GPU is lent at a time, 0: the device is our own.
    """

    images: int = 2000
    megabytes: int = 300
    megapixels: int = 50
    room_megabytes: int = 1500
    classes: int = 200
    epochs: int = 30
    minutes: int = 20
    an_hour: int = 6
    kept_hours: int = 6
    demo: int = 0
    slice_seconds: int = 0

    def sentences(self) -> list[str]:
        """What a visitor has to know before they begin."""
        return [
            "Your images, prompts and runs are in a room of your own, which other visitors cannot "
            "see. The device is shared: one training at a time, in the order of their starts.",
            f"An upload may have {self.images:,} images, {self.megabytes} MB in all and "
            f"{self.megapixels} megapixels an image, all uploads together "
            f"{self.room_megabytes:,} MB; a set {self.classes} classes; a run "
            f"{self.epochs} epochs in each phase and {self.minutes} minutes, after which it keeps "
            f"what it has learned. {plural(self.an_hour, 'run')} an hour.",
            *self._lent(),
            f"Everything is deleted {self.kept_hours} hours after your last visit; download what "
            "you want to keep.",
        ]

    def _lent(self) -> list[str]:
        """What is to be known of a GPU that is lent."""
        if not self.slice_seconds:
            return []
        return [
            f"Hugging Face lends the GPU for about {self.slice_seconds} seconds at a time, out of "
            "the daily allowance of whoever starts a run. A run takes as many of these slices as "
            "it needs and goes on where the last one ended; where the allowance is used up it "
            "stops, and can go on later. For more: your own machine, or a copy of this Space "
            "with a GPU."
        ]

    @property
    def allowance(self) -> Allowance:
        """What an upload may hold."""
        return Allowance(
            files=self.images,
            bytes=self.megabytes << 20,
            pixels=self.megapixels * 1_000_000,
            kept=self.room_megabytes << 20,
        )

    @property
    def most(self) -> dict[str, int]:
        """The largest value of settings that cost memory or time."""
        return {
            "phase1_epochs": self.epochs, "phase2_epochs": self.epochs, "rounds": 5,
            "phase1_min_steps": 2000, "phase1_batch": 256, "phase2_batch": 256, "micro_batch": 256,
            "phase1_views": 8, "contrast_queue": 65_536, "k": 1000, "complement_top": 1000,
            "upl_prompts": 16, "grip_rounds": 10, "monitor_images": self.images,
        }  # fmt: skip

    def check_names(self, names: Sequence[str]) -> None:
        """Raises FolderError when there are too many class names."""
        if len(names) > self.classes:
            raise FolderError(f"At most {self.classes} classes can be named on this page.")

    def check_model(self, name: str) -> None:
        """Raises ModelError when it is none of the list, whatever there may be of that name."""
        if name not in presets():
            raise ModelError(f"On this page the model is one of: {', '.join(presets())}.")

    def check_request(self, request: JobRequest) -> None:
        """Raises StudioError when a run asks for too much; says everything at once."""
        self.check_model(request.model)
        if request.settings.phase2_model:
            self.check_model(request.settings.phase2_model)
        self.check_names(request.class_names or ())
        over = [
            f"{name} at most {most:,}"
            for name, most in self.most.items()
            if getattr(request.settings, name) > most
        ]
        if over:
            raise SettingsError(f"On this page: {', '.join(over)}.")


ON_LENT_GPU = Limits(
    images=500, megabytes=100, room_megabytes=400, classes=50, epochs=10, minutes=10, an_hour=4,
    demo=12, slice_seconds=40,
)  # fmt: skip
"""Where a GPU is lent for minutes a day: what fits into a few slices, and a demo set of 132."""


@dataclass
class Rate:
    """How often something was done in the last hour. clock: seconds that pass."""

    most: int
    clock: Callable[[], float] = time.monotonic
    _times: deque[float] = field(default_factory=deque)

    def check(self) -> None:
        """Raises RunError when it was done too often."""
        now = self.clock()
        while self._times and now - self._times[0] > _HOUR_S:
            self._times.popleft()
        if len(self._times) >= self.most:
            minutes = max(1, round((_HOUR_S - (now - self._times[0])) / 60))
            raise RunError(
                f"{plural(self.most, 'run')} an hour can be started here; the next in "
                f"{plural(minutes, 'minute')}."
            )

    def count(self) -> None:
        """It was done."""
        self._times.append(self.clock())
