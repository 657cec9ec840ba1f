"""A run as a notebook holds it: labels, estimates, images worth a look, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.api.checks import drawn_answers, read, share_right, to_check, told
from studio.api.table import Table
from studio.ask.accuracy import Decision, RightShare
from studio.errors import RunError
from studio.export.command import export_run
from studio.export.predict import predictions
from studio.export.push import push_run
from studio.export.subject import EVERYTHING
from studio.places import default_cache_dir, default_runs_dir
from studio.runs.command import summary
from studio.runs.corrections import Corrections
from studio.runs.deciding import (
    USUAL,
    answered_before,
    decision,
    keep,
    leave_to_answers,
    settle,
    standing_of,
    ways_of,
)
from studio.runs.judge_checks import JudgeChecked, Questioned, has_checks, judge_checked
from studio.runs.judged import JudgeRecord
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.result import RunResult
from studio.runs.resume import what_to_do
from studio.runs.run import Run as RunFolder
from studio.runs.standing import ANSWERS
from studio.runs.store import RunStore
from studio.scores.estimate import Estimate
from studio.terminal import Terminal


@dataclass(frozen=True)
class Share:
    """An estimated share in [0, 1]: `value`, and the interval from `low` to `high`."""

    value: float
    low: float
    high: float


class Run:
    """One run; everything is read from its folder, so that nothing is lost with the notebook."""

    def __init__(self, folder: RunFolder) -> None:
        self._run = folder
        self._reader = RunReader(folder)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._run.path

    @property
    def id(self) -> str:
        """The name of the run's folder."""
        return self._run.id

    @property
    def state(self) -> str:
        """`finished`, `stopped`, `failed`, `interrupted`; or `queued`, `running`, `stopping`."""
        return self._run.status()["state"]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C class names, in the order of the classifier."""
        return self._run.info.class_names

    @property
    def result(self) -> RunResult:
        """What came of the run: counts, shares, settings; see its own documentation.

        Raises:
            RunError: The run has no result yet.
        """
        result = self._run.result()
        if result is None:
            raise RunError(f"run {self.id} has no result: {what_to_do(self._run)}")
        return result

    @property
    def estimate(self) -> Share | None:
        """The share of right labels, estimated without a true label; None where it is not known."""
        return _share(self.result.estimated_accuracy)

    @property
    def estimate_before(self) -> Share | None:
        """The same for the labels before training."""
        return _share(self.result.estimated_zero_shot_accuracy)

    @property
    def warnings(self) -> list[str]:
        """What the run wants its user to know, a line each."""
        self._reader.refresh()
        return list(self._reader.warnings)

    @property
    def labels(self) -> Table:
        """Every image's label, with corrections applied; the columns of labels.csv, typed.

        path, label: texts; clean: bool; clean_probability, confidence, combined_score: in [0, 1],
        of the models' own label (combined_score is None for methods without Phase I); of_none: in
        [0, 1], how far the image seems to show none of the classes;
        model_1_label, model_2_label: what each model says alone; correction: what a person said, or
        `judged`; judged_label: what a vision-language model said, None where it was not asked.
        """
        return _labels(self._outcome())

    def noisy(self, n: int = 20) -> Table:
        """The n images whose label is least likely to be right, which nobody has corrected yet.

        They are in the order of the combined score, or of the clean probability where there is
        none; the worst comes first.
        """
        outcome = self._outcome()
        return _labels(outcome).take(outcome.doubtful()[: max(n, 0)])

    def suggest(
        self, n: int | str = 20, *, cache: Path | str | None = None, progress: bool = True
    ) -> Table:
        """The n images whose answers would say most about all the others, worth most first.

        Columns: path, pseudo-label, shortlist (3 to 5 names with | between them) and why. Answer
        them with `correct`; what is answered already counts and is not suggested again.

        Args:
            n: How many, or "2C" for two per class.
            cache: Where features are kept; None: the studio's cache.
            progress: Whether the terminal shows how far it is.

        Raises:
            StudioError: The run has no labels, or its images have changed.
        """
        from functools import partial

        from studio.api.suggesting import suggest_of

        with Terminal(quiet=not progress) as terminal:
            return suggest_of(
                self._run, str(n),
                cache=default_cache_dir() if cache is None else Path(cache).expanduser(),
                begin=lambda text: partial(terminal.progress, text),
            )  # fmt: skip

    def checks(self, n: int = 40) -> Table:
        """N images that are drawn to find out how many of all labels are right.

        Columns: path, pseudo-label, and an empty label, for what the image shows; see `accuracy`.
        Images whose answers the run was given are none of them: its labels were told these.
        """
        return to_check(
            self._outcome(), n, drawn_by=self._reader.ended(), before=answered_before(self._run)
        )

    def accuracy(self, answers: Mapping[str, str] | Path | str | None = None) -> RightShare:
        """The share of right labels: `value`, `low`, `high`, `checks`, `with_more(10)`.

        Args:
            answers: What the images of `checks` show, by path, or the file that was filled in;
                None: a person's corrections of those images, one that is left out being wrong.

        Labels that follow answers are looked at as they are without each image's own one.

        Raises:
            RunError: None of these images is answered, or the labels were told just these answers.
        """
        outcome, said = self._outcome(), self._said(answers)
        return share_right(
            outcome, said, drawn_by=self._reader.ended(), before=answered_before(self._run),
            own=ways_of(self._reader).get(standing_of(self._reader)[0]),
        )  # fmt: skip

    @property
    def checked(self) -> bool:
        """Whether a person has answered images that were drawn, see `checks`."""
        self._outcome()
        ended = self._reader.ended()
        assert ended is not None
        return bool(drawn_answers(ended, self._said(None), before=answered_before(self._run)))

    def judge_checks(self) -> JudgeChecked | None:
        """What the checks of the judge say that was asked last (`python -m studio judge --checks`):
        `share` with `value`, `low`, `high`, `seen`, `checks`, `both`; `model`, `host`, `lines`.

        They are never counted with a person's. None where there are none.

        Raises:
            RunError: The run has no labels, or they may have been told those images' answers.
        """
        self._outcome()
        record = JudgeRecord(Corrections.of(self._run))
        if not has_checks(record):
            return None
        return judge_checked(record, Questioned.of_run(self._reader))

    def decide(self, answers: Mapping[str, str] | Path | str | None = None) -> Decision:
        """Which labels these answers speak for: `best`, `sure`, `shares`; as of `accuracy`.

        Where they speak clearly for other labels than those after training, `labels`, exports and
        the page take those from now on, until `keep` says otherwise. Labels that they cannot be
        compared with, which `shares` lacks, go on standing.
        """
        found = self._decision(self._said(answers))
        settle(self._reader, found)
        return found

    @property
    def standing(self) -> str:
        """Which labels stand: `final`, those that the run ended with, or those of another way."""
        self._reader.refresh()
        standing = standing_of(self._reader)[1]
        return USUAL if standing is None else standing.way

    def keep(self, way: str) -> None:
        """Have other labels stand, whatever answers say: `zero-shot`, `phase1`, `final`; `answers`
        leaves it to a person's answers again.

        Raises:
            RunError: The run has no such labels.
        """
        self._outcome()
        if way == ANSWERS:
            found = self._decision(self._said(None)) if self.checked else None
            leave_to_answers(self._reader, found)
        else:
            keep(self._reader, way)

    def _decision(self, said: Mapping[str, str]) -> Decision:
        ended = self._reader.ended() if self._outcome() else None
        assert ended is not None
        return decision(self._reader, told(ended, said, before=answered_before(self._run)))

    def _said(self, answers: Mapping[str, str] | Path | str | None) -> Mapping[str, str]:
        if answers is None:
            current = Corrections.of(self._run).current()
            return {path: one.label for path, one in current.items() if one.by_person}
        return answers if isinstance(answers, Mapping) else read(Path(answers), self._outcome())

    def correct(self, corrections: Mapping[str, str | None]) -> None:
        """Keep what a person says: by path, the right class name, or None to leave the image out.

        Take them as given with `studio.fit(like=run, corrections=run)`.

        Raises:
            RunError: There is no such image or class.
        """
        kept = Corrections.of(self._run)
        relabelled = {path: label for path, label in corrections.items() if label is not None}
        if relabelled:
            kept.add("relabelled", relabelled)
        rejected = {path: "" for path, label in corrections.items() if label is None}
        if rejected:
            kept.add("rejected", rejected)

    def predict(
        self,
        folder: Path | str,
        *,
        likeliest: int = 0,
        nearest: int = 0,
        cache: Path | str | None = None,
        progress: bool = True,
    ) -> Table:
        """Label the images of another folder.

        Args:
            folder: The images.
            likeliest: How many of the best classes to list for each image, 5 at most.
            nearest: How many of the run's own images to find that are nearest to each; 0: none.
            cache: Where decoded images and features are kept; None: see `studio.places`.
            progress: Whether bars are shown.

        Returns:
            A table of path, label and confidence in [0, 1]; if asked for also likeliest, lists of
            (class name, probability), and nearest, lists of (path, cosine).

        Raises:
            StudioError: The run has no classifier, or the folder cannot be used.
        """
        with Terminal(quiet=not progress) as terminal:
            done = predictions(
                self._run,
                Path(folder).expanduser(),
                cache_dir=default_cache_dir() if cache is None else Path(cache).expanduser(),
                progress=terminal.progress,
                nearest=nearest,
                nearest_links=self._run.info.follow_links,
            )
            for refused in done.refused:
                terminal.line(f"refused {refused.path}: {refused.reason} ({refused.detail})")
            if done.problem:
                terminal.line(done.problem)
        columns: dict[str, list[Any]] = {
            "path": done.paths, "label": done.labels, "confidence": done.confidence,
        }  # fmt: skip
        if likeliest > 0:
            columns["likeliest"] = [best[:likeliest] for best in done.likeliest]
        if nearest > 0:
            found, images = done.nearest, range(len(done.paths))
            columns["nearest"] = [[] if found is None else found.of(i) for i in images]
        return Table(columns)

    def export(
        self, to: str, out: Path | str, *, only: str = EVERYTHING, links: bool = False
    ) -> list[str]:
        """Write the run into a folder in one of the formats of `python -m studio export`.

        Args:
            to: The format, e.g. "imagefolder".
            out: A folder that is not there yet, or is empty.
            only: "everything", or "clean": without the images whose label is noisy.
            links: Make links to the images in place of copies.

        Returns:
            The names of the files.

        Raises:
            StudioError: The run has no labels, or something that the format needs is missing.
        """
        return export_run(self._run, to, Path(out), only=only, links=links)

    def push(
        self, repository: str, *, to: str = "huggingface", only: str = EVERYTHING,
        public: bool = False,
    ) -> str:  # fmt: skip
        """Put an export on the Hugging Face hub: the images in it leave this machine.

        Args:
            repository: OWNER/NAME; made if there is none.
            to: "huggingface" (images and labels) or "timm" (the model).
            only: "everything", or "clean".
            public: Whether everybody may see it.

        Returns:
            The repository's address.

        Raises:
            StudioError: The hub refuses or cannot be reached; who you are is told to it by
                `hf auth login` or HF_TOKEN.
        """
        return push_run(self._run, to, repository, only=only, public=public)

    def __repr__(self) -> str:
        result = self._run.result()
        if result is None:
            return f"run {self.id}: {self.state}"
        return summary(result, self._run)

    def _outcome(self) -> Outcome:
        self._reader.refresh()
        outcome = self._reader.final()
        if outcome is None:
            raise RunError(f"run {self.id} has no labels: {what_to_do(self._run)}")
        return outcome


def load(run: Path | str, *, runs: Path | str | None = None) -> Run:
    """A run from disk.

    Args:
        run: Its folder, its id, or "latest".
        runs: Where an id is looked for; None: the environment's STUDIO_RUNS, else ./runs.

    Raises:
        RunError: There is none.
    """
    return Run(RunStore(default_runs_dir() if runs is None else runs).find(str(run)))


def folder_of(run: Run | RunFolder | Path | str | None) -> RunFolder | None:
    """The run's folder behind whatever a user has in hand."""
    if run is None or isinstance(run, RunFolder):
        return run
    return run._run if isinstance(run, Run) else load(run)._run


def _share(estimate: Estimate | None) -> Share | None:
    if estimate is None:
        return None
    return Share(estimate.accuracy, estimate.low, estimate.high)


def _labels(outcome: Outcome) -> Table:
    def names(labels: list[int]) -> list[str]:
        return [outcome.name(label) for label in labels]

    none = [None] * len(outcome)
    said = [outcome.corrections.get(path) for path in outcome.paths]
    return Table({
        "path": outcome.paths,
        "label": names(outcome.final_labels.tolist()),
        "clean": outcome.final_clean.tolist(),
        "clean_probability": outcome.clean_probability.tolist(),
        "confidence": outcome.confidence.tolist(),
        "combined_score": none if outcome.combined is None else outcome.combined.tolist(),
        "of_none": none if outcome.strangers is None else outcome.strangers.tolist(),
        "model_1_label": names(outcome.model_labels[0].tolist()),
        "model_2_label": names(outcome.model_labels[1].tolist()),
        "correction": ["" if one is None else one.verdict for one in said],
        "judged_label": [None if one is None else one.judged_label for one in said],
    })  # fmt: skip
