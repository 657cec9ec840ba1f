"""The images and class names of a run as its other models see them.

They are the one that Phase II trains (`phase2_model`) and one whose opinion counts in the first
labels (`consensus_model`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.image_only import image_space, reads_names
from studio.clip.texts import TextTower
from studio.coft.consensus import Opinion
from studio.coft.start import ZeroShotStart
from studio.coft.student import Student
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.ranks import ALONE, Ranks
from studio.runs.inputs import at_size, encode, prompts_of
from studio.runs.report import Report
from studio.runs.request import JobRequest


@dataclass(frozen=True)
class OtherModels:
    """Asks other models about a run's images.

    request: its settings and prompts; class_names: the C names; folder: the N images; canvases:
    they, as the run's own model sees them; cache_dir: where images and features are kept; report:
    told how far it is; stop: asked often; ranks: who help to encode for Phase II.
    """

    request: JobRequest
    class_names: Sequence[str]
    folder: Folder
    canvases: Canvases
    cache_dir: Path
    report: Report
    stop: Callable[[], bool]
    ranks: Ranks = ALONE

    def student(self, backbone: Backbone) -> Student:
        """What Phase II is given of the model that it trains.

        Raises:
            Stopped: `stop` said so.
            FolderError: the folder has changed meanwhile.
        """
        seen, features = self._look(
            backbone, "reading images for Phase II", "encoding images for Phase II", self.ranks
        )
        return Student(backbone, seen, features, self._vectors(backbone))

    def opinion(self, backbone: Backbone) -> Opinion:
        """What the fit is told of a further model; one that reads no names has no probabilities.

        Raises:
            Stopped: `stop` said so.
            FolderError: the folder has changed meanwhile.
        """
        _, features = self._look(
            backbone,
            "reading images for the further model",
            "encoding images by the further model",
        )
        if not reads_names(backbone):
            return Opinion(image_space(features))
        start = ZeroShotStart.of(backbone, features, self._vectors(backbone))
        return Opinion(start.pictures, start.probabilities)

    def _look(
        self, backbone: Backbone, reading: str, encoding: str, ranks: Ranks = ALONE
    ) -> tuple[Canvases, Tensor]:
        """The images at the model's size, and their features (N, d)."""
        progress = self.report.progress
        seen = at_size(
            self.folder, self.canvases, backbone, cache_dir=self.cache_dir,
            progress=progress(reading), stop=self.stop,
        )  # fmt: skip
        features = encode(
            backbone, self.folder, seen, self.cache_dir, progress(encoding), self.stop, ranks=ranks
        )
        return seen, features

    def _vectors(self, backbone: Backbone) -> Tensor:
        """(C, d), by this model's own template unless the user wrote others."""
        request, names = self.request, self.class_names
        prompts = prompts_of(request.settings, backbone, request.prompts, names)
        return TextTower(backbone).class_vectors(prompts.texts(names))
