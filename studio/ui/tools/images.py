"""Tools for the images of a run: labels, pictures, search, corrections, predictions, exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from studio.ask.choose import Question, choose
from studio.errors import RunError
from studio.export.downloads import Downloads
from studio.export.predict import predictions
from studio.export.subject import CLEAN, EVERYTHING, Subject
from studio.images.folder import ImageRefused
from studio.imports import import_torch
from studio.numbers import percent
from studio.scores.similar import Vectors
from studio.session.encoded import encoded_of
from studio.session.opened import Opened, open_run
from studio.session.pictures import picture_key
from studio.session.rooms import Whose
from studio.session.similar import vectors_of
from studio.session.source import OpenedRun
from studio.ui.explore.search import LONGEST, nearest
from studio.ui.handlers import InSession
from studio.ui.tools.sheet import MOST, as_file, contact_sheet

MOST_ROWS = 500

Rows = list[dict[str, Any]]


class ImageTools(InSession):
    """Each method is a tool: its name, types and docstring are what a program is told."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def labels(
        self,
        run: str,
        only: Literal["everything", "clean", "noisy"] = "everything",
        label: str = "",
        start: int = 0,
        number: int = 100,
    ) -> dict[str, Any]:
        """The labels of a run's images, a page at a time, in the order of their paths.

        A label is clean if the other of the two models keeps it; that is a second opinion, not the
        truth. `clean_probability`, `confidence` and `combined_score` are in [0, 1].

        Args:
            run: Its id.
            only: Whether all images are listed, or those with a clean or a noisy label.
            label: Only images with this label.
            start: How many of them to pass over.
            number: How many to list, 500 at most.
        """
        subject = self._subject(run)
        outcome = subject.outcome
        if label and label not in outcome.class_names:
            raise RunError(f"There is no class {label!r}; it is one of {_names(outcome)}.")
        found = [
            i for i in range(len(outcome))
            if (only == "everything" or bool(outcome.final_clean[i]) == (only == "clean"))
            and (not label or outcome.name(int(outcome.final_labels[i])) == label)
        ]  # fmt: skip
        page = found[max(0, start) :][: max(0, min(number, MOST_ROWS))]
        return {"total": len(found), "rows": [subject.row(i) for i in page]}

    def noisy(self, run: str, number: int = 20) -> tuple[Rows, dict[str, Any]]:
        """The images whose label is least likely to be right, worst first, and a picture of them.

        Nobody has corrected these yet. The picture shows them side by side, numbered as in the
        list. Look at it, and tell `correct` what is wrong.

        Args:
            run: Its id.
            number: How many, 40 at most.
        """
        opened = self._opened(run)
        return self._shown(opened, opened.outcome.doubtful()[: _number(number)])

    def search(self, run: str, text: str, number: int = 20) -> tuple[Rows, dict[str, Any]]:
        """The images of a run that are nearest to a text, best first, and a picture of them.

        Args:
            run: Its id.
            text: What the images should show, such as "a dog on a beach".
            number: How many, 40 at most.
        """
        text = " ".join(text.split())
        if not text or len(text) > LONGEST:
            raise RunError(f"Say in 1 to {LONGEST} characters what the images should show.")
        opened = self._opened(run)
        found = nearest(opened, encoded_of(opened).result(), text)
        return self._shown(opened, found.tolist()[: _number(number)])

    def suggest(self, run: str, number: int = 20) -> tuple[Rows, dict[str, Any]]:
        """The images whose answer is worth most, first of all, and a picture of them.

        Unlike `noisy`, which lists labels that are likely to be wrong one by one, each of these
        stands for many images that look alike: what is said of it by `correct` is carried over to
        those when the run is trained again. `why` says so in words, and `shortlist` has the
        likeliest classes.

        Args:
            run: Its id.
            number: How many, 40 at most.
        """
        opened = self._opened(run)
        task = vectors_of(opened)
        if task is None:
            raise RunError(f"{opened.problem} Without its images nothing can be suggested.")
        questions = asked_first(opened, task.result(), _number(number))
        rows, sheet = self._shown(opened, [question.image for question in questions])
        names = opened.outcome.class_names
        for row, question in zip(rows, questions, strict=True):
            row["why"] = question.why(names)
            row["shortlist"] = [names[label] for label in question.shortlist]
        return rows, sheet

    def picture(self, run: str, path: str) -> dict[str, Any]:
        """One image of a run, large.

        Args:
            run: Its id.
            path: Of the image, as other tools list it.
        """
        opened = self._opened(run)
        opened = opened.read() if opened.there else opened
        paths = opened.outcome.paths
        place = opened.place(paths.index(path)) if path in paths else None
        if place is None or opened.folder is None:
            raise RunError(f"There is no image {path!r} in this run, or it is gone.")
        folder, session = opened.folder, self.session
        key, file = picture_key(folder, place), folder.root / path
        try:
            large = session.pictures.thumbnails.large(file, key=key)
        except ImageRefused:
            large = None
        if large is None or isinstance(large, bytes):
            raise RunError(f"{path} cannot be shown.")
        return as_file(large, session.address(large))

    def correct(
        self,
        run: str,
        corrections: dict[str, str | None],
        said_by: Literal["model", "person"] = "model",
    ) -> dict[str, Any]:
        """Say which labels of a run are right; `fit` with `like` takes them into account.

        Args:
            run: Its id.
            corrections: By path of the image: the name of its class, or null for none of them.
            said_by: Whose word it is. "model": you looked at the image and judged it yourself; the
                next run weighs this as evidence. "person": your user told you; the next run takes
                it as given, and a null leaves the image out.
        """
        kept = self.session.reader(run).corrections
        named = {path: label for path, label in corrections.items() if label is not None}
        none = {path: "" for path, label in corrections.items() if label is None}
        if not corrections:
            raise RunError("Name an image and its class.")
        if said_by == "model":
            kept.add("judged", {**named, **none})
        else:
            outcome = self._subject(run).outcome  # both of it can be said, or nothing is
            unknown = [path for path in corrections if path not in set(outcome.paths)]
            wrong = [label for label in named.values() if label not in outcome.class_names]
            if unknown or wrong:
                raise RunError(
                    f"There is no image {unknown[0]!r} in this run." if unknown
                    else f"There is no class {wrong[0]!r}; it is one of {_names(outcome)}."
                )  # fmt: skip
            for verdict, images in (("relabelled", named), ("rejected", none)):
                if images:
                    kept.add(verdict, images)
        current = kept.current().values()
        return {
            "run": run,
            "said_by_person": sum(one.by_person for one in current),
            "judged": sum(one.judged_label is not None for one in current),
        }

    def predict(self, run: str, folder: str, number: int = 100) -> dict[str, Any]:
        """Label the images of another folder with a run's classifier; nothing is trained.

        Args:
            run: Its id.
            folder: Path of the folder on the studio's machine.
            number: How many images to list, 500 at most; all of them are labelled.
        """
        session = self.session
        import_torch()
        done = predictions(
            session.store.get(run), session.folders.typed(folder),
            cache_dir=session.options.cache_dir,
        )  # fmt: skip
        rows = [
            {"path": path, "label": best[0][0], "confidence": round(best[0][1], 6),
             "likeliest": {name: round(share, 6) for name, share in best}}
            for path, best in zip(done.paths, done.likeliest, strict=True)
        ]  # fmt: skip
        refused = [f"{item.path}: {item.reason}" for item in done.refused]
        return {"total": len(rows), "rows": rows[: max(0, min(number, MOST_ROWS))],
                "refused": refused}  # fmt: skip

    def export(
        self,
        run: str,
        format: str = "csv",
        only: Literal["everything", "clean"] = "everything",
    ) -> dict[str, Any]:
        """Make a file of a run's labels, images or model to take away; several files come as a zip.

        Args:
            run: Its id.
            format: One of FORMATS.
            only: Whether all images are in it, or those with a clean label.

        Returns:
            The address to fetch it from, below the studio's own, for a day. Where the studio opens
            folders of its machine, also the file's path there.
        """
        import_torch()
        wanted = CLEAN if only == "clean" else EVERYTHING
        options = self.session.options
        made = Downloads(options.cache_dir).make(self.session.store.get(run), format, only=wanted)
        said: dict[str, Any] = {
            "address": f"/{self.session.address(made).lstrip('/')}",
            "bytes": made.stat().st_size,
        }
        return said | ({"file": str(made)} if options.paths_allowed else {})

    # Plumbing ---------------------------------------------------------------------------------

    def _subject(self, run: str) -> Subject:
        import_torch()
        return Subject.of(self.session.store.get(run))

    def _opened(self, run: str) -> Opened:
        self.session.store.get(run)  # says that there is none
        return open_run(self.session, OpenedRun(run))

    def _shown(self, opened: Opened, indices: Sequence[int]) -> tuple[Rows, dict[str, Any]]:
        outcome = opened.outcome
        rows, lines = [], []
        for number, i in enumerate(indices, start=1):
            label = outcome.name(int(outcome.final_labels[i]))
            best = zip(outcome.top_labels[i], outcome.top_probabilities[i], strict=True)
            rows.append({
                "number": number, "path": outcome.paths[i], "label": label,
                "clean_probability": round(float(outcome.clean_probability[i]), 4),
                "combined_score": None if outcome.combined is None
                else round(float(outcome.combined[i]), 4),
                "likeliest": {outcome.name(int(c)): round(float(p), 4) for c, p in best},
            })  # fmt: skip
            lines.append(f"{label}, {percent(float(outcome.clean_probability[i]))}")
        return rows, contact_sheet(opened, indices, lines)


def asked_first(opened: Opened, vectors: Vectors, most: int) -> list[Question]:
    """The images of a run to ask about, by their numbers in the run, see `ask.choose`."""
    outcome, rows = opened.outcome, vectors.rows
    classes = len(outcome.class_names)
    # What is known are the likeliest classes; what is left is shared by the others.
    shares = np.zeros((len(outcome), classes), np.float32)
    everyone = np.arange(len(outcome))
    if outcome.top_labels.shape[1]:
        np.put_along_axis(shares, outcome.top_labels, outcome.top_probabilities, axis=1)
    else:
        shares[everyone, outcome.labels] = outcome.confidence
    shares += np.maximum(1 - shares.sum(1, keepdims=True), 0) / classes
    shares /= shares.sum(1, keepdims=True)
    number = {name: label for label, name in enumerate(outcome.class_names)}
    said = {path: one for path, one in outcome.corrections.items() if one.by_person}
    answers = {
        place: number.get(said[outcome.paths[i]].label, -1)
        for place, i in enumerate(rows.tolist()) if outcome.paths[i] in said
    }  # fmt: skip
    found = choose(vectors.units, shares[rows], answers, most)
    return [replace(question, image=int(rows[question.image])) for question in found]


def _number(number: int) -> int:
    return max(1, min(number, MOST))


def _names(outcome: Any) -> str:
    return ", ".join(outcome.class_names[:50])
