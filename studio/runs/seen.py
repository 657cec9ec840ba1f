"""What the models of a run see in its images before anything is trained, and what that tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.image_only import load_any
from studio.clip.presets import preset
from studio.clip.texts import TextTower
from studio.coft.consensus import Opinion
from studio.coft.events import Warned
from studio.coft.student import Student
from studio.ranks import ALONE, Ranks
from studio.runs.first_checks import check_towers
from studio.runs.inputs import alike_ones, cut_warning, encode, knowledge, strangers
from studio.runs.material import Material
from studio.runs.other_models import OtherModels
from studio.runs.pace import FINDING_STRANGERS, FITTING_NAMES
from studio.runs.report import Report
from studio.runs.request import JobRequest
from studio.scores.knowledge import Knowledge


@dataclass(frozen=True)
class Models:
    """The run's own model; another one that Phase II trains; and one whose opinion counts."""

    own: Backbone
    second: Backbone | None
    further: Backbone | None

    @classmethod
    def load(cls, request: JobRequest, report: Report, *, stop: Callable[[], bool]) -> Models:
        """All that the request names; licences that do not allow every use are said.

        Raises:
            ModelError: One cannot be loaded.
            Stopped: `stop` said so.
        """
        report.stage("loading the model")
        check_towers(request, begin=report.progress, stop=stop)
        own = load_backbone(request.model, begin=report.progress, stop=stop)
        named, asked = request.settings.phase2_model, request.settings.consensus_model
        second = load_backbone(named, begin=report.progress, stop=stop) if named else None
        further = load_any(asked, begin=report.progress, stop=stop) if asked else None
        for chosen in (request.model, named, asked):
            facts = preset(chosen) if chosen else None
            if facts is not None and facts.research_only:
                report(Warned(f"{chosen} is for research only: {facts.licence}."))
        return cls(own, second, further)

    @property
    def shipped(self) -> Backbone:
        """What is trained and kept."""
        return self.second or self.own

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """By the setting that names the model."""
        named = {
            "model": self.own, "phase2_model": self.second, "consensus_model": self.further,
        }  # fmt: skip
        return {name: one.fingerprint for name, one in named.items() if one is not None}


@dataclass(frozen=True)
class Seen:
    """N images and C classes to the models.

    features: (N, d) raw; class_vectors: (C, d); candidates, own: (N, K) images that are most alike,
    see `inputs.alike_ones`; student, others: see `Task`; knowledge: whether the names fit.
    """

    features: Tensor
    class_vectors: Tensor
    candidates: Tensor
    own: Tensor
    student: Student | None
    others: list[Opinion]
    knowledge: Knowledge


def look(
    material: Material,
    models: Models,
    request: JobRequest,
    report: Report,
    *,
    cache_dir: Path,
    stop: Callable[[], bool],
    resumed: bool,
    ranks: Ranks = ALONE,
) -> Seen:
    """Show all images and names to all models; arguments as of `runs.work.Work`.

    Raises:
        Stopped: `stop` said so.
        FolderError: The folder has changed meanwhile.
    """
    backbone, names, prompts = models.own, material.class_names, material.prompts
    features = encode(
        backbone, material.folder, material.canvases, cache_dir,
        report.progress("encoding images"), stop, ranks=ranks,
    )  # fmt: skip
    candidates, own = alike_ones(
        backbone,
        features,
        cache_dir,
        progress=report.progress("comparing images"),
        stop=None if resumed else stop,  # `--as-is` ends a run that it must first get back to
    )
    tower = TextTower(backbone)
    vectors = tower.class_vectors(prompts.texts(names))
    if cut := cut_warning(tower, prompts, names):
        report(Warned(cut))
    asked = OtherModels(
        request, names, material.folder, material.canvases, cache_dir, report, stop, ranks
    )  # fmt: skip
    student = None if models.second is None else asked.student(models.second)
    others = [] if models.further is None else [asked.opinion(models.further)]
    verdict = knowledge(
        backbone, features=features, class_vectors=vectors, class_names=names,
        templates=prompts.templates, cache_dir=cache_dir,
        progress=report.progress(FITTING_NAMES),
    )  # fmt: skip
    report.write("knowledge", verdict.to_dict())
    if verdict.level != "promising":
        report(Warned(verdict.sentence))
    return Seen(features, vectors, candidates, own, student, others, verdict)


def find_strangers(
    seen: Seen, material: Material, backbone: Backbone, report: Report, *, cache_dir: Path
) -> Tensor:
    """(N,) how far each image seems to be of none of the classes; the run remembers it."""
    found = strangers(
        backbone, features=seen.features, class_vectors=seen.class_vectors,
        class_names=material.class_names, templates=material.prompts.templates,
        cache_dir=cache_dir, candidates=seen.own,
        progress=report.progress(FINDING_STRANGERS),
    )  # fmt: skip
    report.write("strangers", {}, {"score": found})
    return found
