"""What a job does: from a folder of images to a result, one step after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.ask.relabel import Worth, answers_in
from studio.coft.events import Finished, Progress, Warned, ZeroShot
from studio.coft.given import without_strangers
from studio.coft.start import ZeroShotStart
from studio.coft.task import Fit, Task
from studio.errors import Stopped
from studio.images.folder import Folder
from studio.methods import METHODS, method_of
from studio.numbers import plural
from studio.ranks import ALONE, Ranks
from studio.room import RUNS, check_room
from studio.runs.checking import check_labels
from studio.runs.checkpoints import Saved
from studio.runs.estimates import RunEstimates
from studio.runs.evaluation import evaluate
from studio.runs.first_checks import told_of_prompts
from studio.runs.helping import hand_over, invite
from studio.runs.inputs import bytes_of_run
from studio.runs.material import Material, gather
from studio.runs.more_epochs import more_epochs
from studio.runs.near_chance import NOT_TRAINED, keeps_zero_shot
from studio.runs.pausing import Pausing
from studio.runs.reader import RunReader
from studio.runs.report import Report
from studio.runs.request import JobRequest, check
from studio.runs.result import CheckedLabels, RunResult
from studio.runs.resume import check_models, cut_back
from studio.runs.run import Run
from studio.runs.seen import Models, Seen, find_strangers, look
from studio.scores.alike import alike
from studio.scores.listed import Listed
from studio.scores.strangers import STRONG


class Work:
    """The work on one run; see `runs.job.run_job` for what it is given."""

    def __init__(
        self,
        request: JobRequest,
        run: Run,
        report: Report,
        *,
        cache_dir: Path,
        stop: Callable[[], bool],
        pause: Callable[[], bool],
        resumed: bool,
        saved: Saved | None,
        ranks: Ranks = ALONE,
    ) -> None:
        """saved: the checkpoint that it goes on from; None: there is none, or it begins."""
        self._request, self._run, self._report = request, run, report
        self._cache_dir, self._stop, self._pause = cache_dir, stop, pause
        self._resumed, self._saved, self._ranks = resumed, saved, ranks

    def do(self) -> RunResult:
        """All of it.

        Raises:
            Stopped: `stop` said so before anything was learned.
            Paused: `pause` said so.
            StudioError: What the user can put right.
        """
        request, report = self._request, self._report
        began = time.monotonic() - (0.0 if self._saved is None else self._saved.seconds)
        found = check(request)
        models = Models.load(request, report, stop=self._stop)
        if told := told_of_prompts(request, models.own, found):
            report(Warned(told))
        needed = self._make_sure_it_can_be_done(models, found)
        material = gather(
            request, self._run, report, backbone=models.own, mark=found.fingerprint,
            cache_dir=self._cache_dir, stop=self._stop,
        )  # fmt: skip
        invite(self._ranks, request, material.folder, (models.own, models.second))
        seen = look(
            material, models, request, report, cache_dir=self._cache_dir, stop=self._stop,
            resumed=self._resumed, ranks=self._ranks,
        )  # fmt: skip
        said = material.given.labels + material.given.judgements
        name = request.method
        if keeps_zero_shot(request, level=seen.knowledge.level, given=said):
            report(Warned(NOT_TRAINED))
            name = "zero-shot"
        method = method_of(name)
        fit, ranks = method.load(), self._ranks if method.shared else ALONE
        worth, following = answers_in(
            ZeroShotStart.of(models.own, seen.features, seen.class_vectors),
            torch.from_numpy(material.given.vector), torch.from_numpy(material.given.judged),
            settings=request.settings, listen=self._weighing,
        )  # fmt: skip
        estimates = RunEstimates(
            report, backbone=models.own, features=seen.features, class_vectors=seen.class_vectors,
            known=seen.knowledge, given=material.given.vector, following=following,
            candidates=seen.own.numpy(),
        )  # fmt: skip
        strange = find_strangers(seen, material, models.own, report, cache_dir=self._cache_dir)
        pausing = self._pausing(models, estimates, needed)
        task = self._task(material, models, seen, strange, worth, pausing, ranks)
        hand_over(self._ranks, task, pausing.state, method=name if method.shared else None)
        # The fit is not told the truth: only `report` compares its events with it.
        report.score_against(material.truth)
        finished = self._follow(pausing, fit, task, estimates)
        estimates.finish(finished)
        checked = self._check_labels(material, seen, finished, estimates)
        return RunResult(
            **self._facts(material),
            **self._measured(material, models, seen),
            estimated_zero_shot_accuracy=estimates.before,
            estimated_accuracy=estimates.after,
            estimated_clean_precision=estimates.clean,
            checked=checked,
            knowledge=seen.knowledge.level,
            knowledge_z=seen.knowledge.numbers["z"],
            stage=finished.stage,
            stopped=finished.stopped,
            seconds=round(time.monotonic() - began, 2),
        )

    def _weighing(self, progress: Progress) -> None:
        """How far the answers are weighed, which nothing is learned from yet.

        Raises:
            Stopped: `stop` said so.
        """
        if self._stop():
            raise Stopped
        self._report(Progress("weighing answers", progress.done, progress.total))

    def _make_sure_it_can_be_done(self, models: Models, found: Folder) -> int:
        """Room on the disk, whose bytes are returned, and the models that a checkpoint is of."""
        method, images = METHODS[self._request.method], len(found.images)
        kept = method.models if method.trains else 0
        needed = bytes_of_run(models.shipped, images=images, models=kept)
        check_room(self._run.path, needed, what=f"a run over {plural(images, 'image')}", at=RUNS)
        if self._saved is not None:
            check_models(self._run, self._saved, models.fingerprints)
        elif self._resumed:
            cut_back(self._run, None)
        return needed

    def _pausing(self, models: Models, estimates: RunEstimates, needed: int) -> Pausing:
        def arrived() -> None:
            cut_back(self._run, self._saved)
            self._report.go_on()
            reader = RunReader(self._run)
            reader.refresh()
            estimates.judged = reader.latest("judged")

        return Pausing(
            self._run, self._report, resumes=METHODS[self._request.method].resumes,
            saved=self._saved, pause=self._pause, reserve=needed,
            made_with={"models": models.fingerprints}, arrived=arrived,
        )  # fmt: skip

    def _task(
        self,
        material: Material,
        models: Models,
        seen: Seen,
        strange: Tensor,
        worth: Worth | None,
        pausing: Pausing,
        ranks: Ranks,
    ) -> Task:
        """What the fit is given."""
        given, settings = material.given, self._request.settings
        told = given.tensor()
        if settings.leave_out_strangers:
            told = without_strangers(told, strange >= STRONG)
        return Task(
            backbone=models.own, images=material.canvases, features=seen.features,
            class_vectors=seen.class_vectors, class_names=material.class_names, settings=settings,
            given=told,
            claims=None if material.claims is None else torch.from_numpy(material.claims),
            judged=given.judged_tensor(), candidates=seen.candidates,
            trust=1.0 if worth is None else worth.vector,
            first_labels=None if worth is None else worth.first_labels,
            student=seen.student, others=seen.others, stop=self._stop,
            state_due=pausing.due, state=pausing.state, ranks=ranks,
        )  # fmt: skip

    def _follow(self, pausing: Pausing, fit: Fit, task: Task, estimates: RunEstimates) -> Finished:
        """Report every event until the last one, which is returned."""
        report, names, finished = self._report, task.class_names, None
        for event in pausing.events(fit, task):
            if told := more_epochs(event, task.settings):
                report(Warned(told))
            report(event)
            estimates.take(event)
            if isinstance(event, ZeroShot):
                counts = torch.bincount(event.labels, minlength=len(names)).tolist()
                pairs = alike(names, task.class_vectors)
                for sentence in Listed.of(names, counts, pairs).sentences():
                    report(Warned(sentence))
            if isinstance(event, Finished):
                finished = event
        if finished is None:
            raise RuntimeError(f"method {self._request.method} ended without a Finished event")
        report.flush()
        return finished

    def _check_labels(
        self, material: Material, seen: Seen, finished: Finished, estimates: RunEstimates
    ) -> CheckedLabels | None:
        """What is to be said of labels that came with the images."""
        if material.claims is None or estimates.judged is None:
            return None
        return check_labels(
            self._run.path, material.claims, judged=estimates.judged, finished=finished,
            features=estimates.features, paths=material.paths, class_names=material.class_names,
            truth=material.truth, candidates=seen.own.numpy(), given=material.given.vector,
        )  # fmt: skip

    def _measured(self, material: Material, models: Models, seen: Seen) -> dict[str, Any]:
        """Accuracies: of the run's own images, or of the test images where there are any."""
        measured, test = self._report.measured(), material.test
        if test is None:
            return measured
        self._report.stage("measuring on the test images")
        found = evaluate(
            self._run.path / "model", backbone=models.own, folder=test.folder,
            canvases=test.canvases, truth=test.truth, features=seen.features,
            class_vectors=seen.class_vectors, cache_dir=self._cache_dir,
            progress=self._report.progress("labelling test images"),
        )  # fmt: skip
        return {**measured, **found}

    def _facts(self, material: Material) -> dict[str, Any]:
        """What the result says of what went in."""
        request, given, test = self._request, material.given, material.test
        return {
            "run": self._run.id,
            "method": request.method,
            "model": request.model,
            "seed": request.settings.seed,
            "folder": str(request.folder.resolve()),
            "images": len(material.folder.images),
            "refused": len(material.folder.refused),
            "classes": len(material.class_names),
            "test_folder": None
            if request.test_folder is None
            else str(request.test_folder.resolve()),
            "test_images": None if test is None else len(test.folder.images),
            "given_labels": given.labels,
            "given_rejected": given.rejected,
            "judged_labels": given.judgements,
            "prompts": material.prompts.summary(),
            "settings": request.settings.to_dict(),
        }
