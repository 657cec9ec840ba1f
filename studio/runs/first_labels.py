"""Zero-shot labels of the images at hand, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import FolderError, RunError
from studio.images.folder import Folder
from studio.progress import Begin, Progress, Stop, never, unless
from studio.prompts.prompt_set import PromptSet
from studio.runs.encoding import ENCODING, LOADING, encode

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.clip.texts import TextTower
    from studio.coft.start import ZeroShotStart
    from studio.images.canvases import Canvases
    from studio.scores.estimate import Estimate, Evidence

LABELLING = "Labelling"
STEPS = ((LOADING, 2.0), (ENCODING, 10.0), (LABELLING, 1.0))
"""Of `label_images`, and about how long each takes."""

MOST = 48
"""Images nearest to a text: two pages of a gallery. Of small sets a quarter, but at least LEAST."""
LEAST = 12
TOO_LONG = "That is longer than this model reads: say it in fewer words."


@dataclass(frozen=True)
class Preview:
    """What a model says about N images that it was never trained on.

    labels: (N,); confidence: (N,) in [0, 1]; accuracy: in [0, 1], None when the truth is unknown;
    verdict, level: whether the labels can be any good, see `scores.knowledge`; "" when not judged;
    evidence: what the accuracy is estimated from, without a label;
    prompts: those of these classes; encoded: what labels the images again at once, with other
    prompts; judged: whether the verdict is about these prompts; cut_short: sentences that are
    longer than the model reads; alike: pairs of classes that are hardly told apart.
    """

    class_names: tuple[str, ...]
    model: str
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    verdict: str
    level: str
    accuracy: float | None
    prompts: PromptSet = field(default_factory=PromptSet)
    encoded: Encoded | None = field(default=None, repr=False, compare=False)
    judged: bool = True
    cut_short: int = 0
    evidence: Evidence | None = None
    alike: tuple[tuple[int, int], ...] = ()

    @property
    def estimate(self) -> Estimate | None:
        """How many labels are right, as far as that can be told without knowing any."""
        return None if self.evidence is None else self.evidence.estimate()

    @property
    def z(self) -> float | None:
        """How much better the names fit than random nouns, in standard deviations; see
        `scores.knowledge`. None where that was not asked.
        """
        return None if self.evidence is None else self.evidence.z

    def knowing(self, *, z: float | None, near: float | None, agreement: float | None) -> Preview:
        """The same, with what `scores.knowledge` found of these prompts, or of prompts before."""
        if self.evidence is None:
            return self
        return replace(self, evidence=replace(self.evidence, z=z, near=near, agreement=agreement))

    def counts(self) -> list[int]:
        """Images per class."""
        return [int(n) for n in np.bincount(self.labels, minlength=len(self.class_names))]

    def best(self, label: int, number: int) -> list[int]:
        """The most confident images of a class, at most `number`."""
        mine = np.flatnonzero(self.labels == label)
        return [int(i) for i in mine[np.argsort(-self.confidence[mine], kind="stable")][:number]]


class Encoded:
    """A model that has looked at the images: their features and its text tower are kept.

    With them other names or prompts are answered in well under a second; the image tower, which is
    most of a model, is let go.
    """

    def __init__(self, *, tower: TextTower, features: Tensor, model: str, cache_dir: Path) -> None:
        self._tower, self._features = tower, features
        self.model, self._cache_dir = model, cache_dir

    @classmethod
    def of(cls, backbone: Backbone, features: Tensor, *, model: str, cache_dir: Path) -> Encoded:
        """What a model has seen, without its image tower. features: (N, d) of the images, as the
        model gives them; model: its name.
        """
        from studio.clip.texts import TextTower

        tower = TextTower(backbone)
        tower.let_go_of_images()
        return cls(tower=tower, features=features, model=model, cache_dir=cache_dir)

    @property
    def template(self) -> str:
        """The model's own template."""
        return self._tower.backbone.template

    @property
    def features(self) -> NDArray[np.float32]:
        """(N, d) of the images, as the model gives them."""
        return np.asarray(self._features.numpy())

    def label(
        self,
        class_names: Sequence[str],
        prompts: PromptSet,
        *,
        truth: NDArray[np.int64] | None,
    ) -> Preview:
        """Labels under these prompts, exactly as a run would start, not judged yet.

        Args:
            class_names: the C names.
            prompts: sentences of other classes are left out.
            truth: (N,) with -1 = unknown, or None; for the accuracy only.
        """
        return self.label_softly(class_names, prompts, truth=truth)[0]

    def label_softly(
        self,
        class_names: Sequence[str],
        prompts: PromptSet,
        *,
        truth: NDArray[np.int64] | None,
    ) -> tuple[Preview, NDArray[np.float32]]:
        """As `label`, and the probabilities (N, C) that the labels come from."""
        from studio.runs.inputs import zero_shot_probabilities
        from studio.scores import accuracy
        from studio.scores.alike import alike
        from studio.scores.estimate import Evidence

        prompts = prompts.only(class_names)
        texts = prompts.texts(class_names, (self.template,))
        vectors = self._tower.class_vectors(texts)
        probabilities = zero_shot_probabilities(
            self._tower.backbone,
            features=self._features,
            class_vectors=vectors,
            of=self._features,
        )
        confidence, labels = probabilities.max(-1)
        preview = Preview(
            class_names=tuple(class_names),
            model=self.model,
            labels=labels.numpy(),
            confidence=confidence.numpy(),
            verdict="",
            level="",
            accuracy=None if truth is None else accuracy(labels.numpy(), truth),
            prompts=prompts,
            encoded=self,
            judged=False,
            cut_short=len(
                self._tower.cut_short([text for own in texts for group in own for text in group])
            ),
            evidence=Evidence.of(probabilities.numpy()),
            alike=tuple(alike(class_names, vectors)),
        )
        return preview, probabilities.numpy()

    def start(self, class_names: Sequence[str], prompts: PromptSet) -> ZeroShotStart:
        """What a run with these names and prompts would start from; arguments as of `label`."""
        from studio.coft.start import ZeroShotStart

        texts = prompts.only(class_names).texts(class_names, (self.template,))
        vectors = self._tower.class_vectors(texts)
        return ZeroShotStart.of(self._tower.backbone, self._features, vectors)

    def strangers(
        self, class_names: Sequence[str], prompts: PromptSet, *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(N,) in [0, 1], how far the images seem to be of none of the classes, as a run would say
        it (`scores.strangers`). Nouns not met before take seconds. Arguments as of `label`;
        progress: told (images done, N).
        """
        from studio.runs.inputs import strangers

        asked = self._as_a_run(class_names, prompts)
        score = strangers(self._tower.backbone, **asked, progress=progress)
        return np.asarray(score.numpy())

    def similar(
        self, text: str, class_names: Sequence[str], prompts: PromptSet
    ) -> NDArray[np.float32]:
        """(N,) cosines of the images with a text, in the space of their zero-shot labels.

        Args:
            text: any sentence.
            class_names: the C names that the space is centred by.
            prompts: as for `label`.
        """
        from studio.clip.space import Space

        backbone = self._tower.backbone
        texts = prompts.only(class_names).texts(class_names, (self.template,))
        space = Space.of(
            image_features=self._features,
            class_vectors=self._tower.class_vectors(texts),
            scale=backbone.logit_scale,
            center=backbone.center,
        )
        cosines = space.images(self._features) @ space.texts(self._tower.features([text]))[0]
        return np.asarray(cosines.numpy())

    def nearest(
        self, text: str, class_names: Sequence[str], prompts: PromptSet, *, rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Places in `rows`, numbers of images, of the nearest to a text, best first.

        Args:
            text: any sentence.
            class_names: the C names that the space is centred by.
            prompts: as for `label`.
            rows: the images to choose from.

        Raises:
            RunError: the model does not read texts of that length.
        """
        if not self.reads(text):
            raise RunError(TOO_LONG)
        return best(self.similar(text, class_names, prompts)[rows])

    def reads(self, text: str) -> bool:
        """Whether the model reads the text to its end."""
        return not self._tower.cut_short([text])

    def __len__(self) -> int:
        return len(self._features)

    def judge(self, preview: Preview, *, progress: Progress | None = None) -> Preview:
        """The same labels with the verdict on them; templates not met before take seconds.

        progress: told (images done, N).
        """
        from studio.runs.inputs import knowledge

        asked = self._as_a_run(preview.class_names, preview.prompts)
        judgement = knowledge(self._tower.backbone, **asked, progress=progress)
        return replace(
            preview, verdict=judgement.explanation, level=judgement.level, judged=True,
        ).knowing(**judgement.indicators)  # fmt: skip

    def _as_a_run(self, class_names: Sequence[str], prompts: PromptSet) -> dict[str, Any]:
        """What `inputs.knowledge` and `inputs.strangers` are given of images and names, in a run
        with default settings.
        """
        from studio.runs.inputs import prompts_of
        from studio.settings import Settings

        own = prompts_of(Settings(), self._tower.backbone, prompts, class_names)
        return {
            "features": self._features,
            "class_vectors": self._tower.class_vectors(own.texts(class_names)),
            "class_names": class_names,
            "templates": own.templates,
            "cache_dir": self._cache_dir,
        }


def best(cosines: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of the largest of (N,) cosines, best first: as many as a search shows."""
    number = max(LEAST, min(MOST, len(cosines) // 4))
    if number >= len(cosines):
        return np.argsort(-cosines, kind="stable")
    least = np.partition(cosines, len(cosines) - number)[len(cosines) - number]
    some = np.flatnonzero(cosines >= least)  # no need to sort a million
    return np.asarray(some[np.argsort(-cosines[some], kind="stable")][:number])


def label_images(
    *,
    folder: Folder,
    canvases: Canvases,
    class_names: Sequence[str],
    model: str,
    prompts: PromptSet | None = None,
    cache_dir: Path,
    begin: Begin,
    stop: Stop,
    truth: NDArray[np.int64] | None,
) -> Preview:
    """Label all images zero-shot, exactly as a run would start.

    Args:
        folder: the folder.
        canvases: its images.
        class_names: the C names.
        model: a preset or a local checkpoint.
        prompts: what is read about each class; None: the model's own template.
        cache_dir: where features are kept.
        begin: told of each step.
        stop: asked now and then.
        truth: (N,) with -1 = unknown, or None; for the accuracy only.

    Raises:
        StudioError: the model cannot be loaded.
        Stopped: `stop` said so.
    """
    encoded = encode_images(
        folder=folder, canvases=canvases, model=model, cache_dir=cache_dir, begin=begin, stop=stop
    )
    progress = unless(begin(LABELLING), stop)
    preview = encoded.label(class_names, prompts or PromptSet(), truth=truth)
    return encoded.judge(preview, progress=progress)


def encode_images(
    *,
    folder: Folder,
    canvases: Canvases,
    model: str,
    cache_dir: Path,
    begin: Begin,
    stop: Stop = never,
) -> Encoded:
    """Show all images to a model; what it saw before comes from the cache.

    Args and errors as in `label_images`.

    Raises:
        FolderError: images came or went meanwhile, so the numbers of others are theirs no more.
    """
    backbone, found, features = encode(
        folder=folder, canvases=canvases, model=model, cache_dir=cache_dir, begin=begin, stop=stop
    )
    if [image.path for image in found.images] != [image.path for image in folder.images]:
        raise FolderError(
            f"The images in {folder.root} changed while they were read. Wait until nothing is "
            "copied there any more, and open the folder again."
        )
    return Encoded.of(backbone, features, model=model, cache_dir=cache_dir)
