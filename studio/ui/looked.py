"""A run made ready to be looked at: its outcome beside the pictures of its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.errors import FolderError, RunError
from studio.folder import Folder
from studio.pixels import Canvases
from studio.ui.studio import Studio, run_truth
from studio.views.gallery import Outcome
from studio.views.markup import count, notice, percent, stat, stats
from studio.views.run_reader import RunReader

NOTHING = "Nothing to explore yet: a run shows its images here once its labels are judged."


@dataclass(frozen=True)
class Looked:
    """folder, canvases: None when the images are gone, and `problem` says so; place: path -> index
    of an image in the folder, which may have grown since the run.
    """

    studio: Studio
    outcome: Outcome
    folder: Folder | None
    canvases: Canvases | None
    place: dict[str, int]
    problem: str = ""

    def picture(self, index: int) -> str:
        """Address of the thumbnail of the run's image `index`; empty when there is none."""
        place = self.place.get(self.outcome.paths[index])
        if place is None or self.folder is None or self.canvases is None:
            return ""
        return self.studio.picture(self.folder, self.canvases, place)

    def large_picture(self, index: int) -> str:
        """Address of a large view; empty when there is none."""
        place = self.place.get(self.outcome.paths[index])
        if place is None or self.folder is None:
            return ""
        return self.studio.large_picture(self.folder, place)

    def summary(self) -> str:
        """The outcome in a few figures, in HTML."""
        outcome, told = self.outcome, ""
        kept = float(outcome.kept.mean()) if len(outcome) else 0.0
        figures = [
            stat(count(len(outcome)), "images"),
            stat(percent(kept), "clean"),
            stat(percent(float(outcome.disagree.mean())), "models disagree"),
        ]
        if outcome.truth is not None and (known := outcome.truth >= 0).any():
            right = outcome.labels[known] == outcome.truth[known]
            share = percent(float(right.mean()), digits=1)
            figures.append(stat(share, "right", hint="by sub-folder names"))
            if (believed := outcome.kept[known]).any():
                share = percent(float(right[believed].mean()), digits=1)
                figures.append(stat(share, "right among clean"))
        if self.problem:
            told = notice(f"{self.problem} Labels are shown without pictures.", kind="warn")
        elif outcome.stage == "phase1":
            text = "These are the labels after Phase I; no classifier has been trained on them yet."
            told = notice(text)
        return told + stats(figures)


def look(studio: Studio, run_id: object) -> Looked:
    """A run's outcome with its pictures.

    Raises:
        RunError: no such run, or it has nothing to show yet.
    """
    if not isinstance(run_id, str) or not run_id:
        raise RunError(NOTHING)
    reader = studio.reader(run_id)
    outcome = studio.outcome(reader)
    if outcome is None:
        raise RunError("This run has no judged labels yet: they come after Phase I.")
    try:
        folder, canvases = studio.open_folder(root_of(reader))
    except FolderError as error:
        return Looked(studio, outcome, None, None, {}, str(error))
    if reader.info.truth_known:
        known = run_truth(folder, outcome.paths, outcome.class_names, aliases_of(studio, folder))
        outcome = studio.outcome(reader, truth=known) or outcome
    place = {image.path: i for i, image in enumerate(folder.images)}
    return Looked(studio, outcome, folder, canvases, place)


def root_of(reader: RunReader) -> Path:
    """The folder that a run's images lie in."""
    return Path(str(reader.run.images()["root"] or reader.info.folder))


def aliases_of(studio: Studio, folder: Folder) -> dict[str, str]:
    """Folder name -> class name, as far as the data set at hand is the run's."""
    view = studio.workspace.view
    same = view.folder is not None and view.folder.root == folder.root
    return view.aliases if same else {}
