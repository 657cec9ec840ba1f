"""One job from a folder of images to a result, the same for the command line and the page."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import FolderError, RunError, StudioError
from studio.files import write_json
from studio.images.folder import Folder, propose_class_names, truth
from studio.methods import METHODS, method_of, resumes
from studio.numbers import plural
from studio.room import CACHE, RUNS, check_room
from studio.runs import checkpoints
from studio.runs.checking import check_labels, claimed, keep_labels
from studio.runs.failures import Paused, explain, first_line, release_memory, was_stopped
from studio.runs.given import keep_given
from studio.runs.near_chance import NOT_TRAINED, keeps_zero_shot
from studio.runs.report import Report
from studio.runs.request import JobRequest, check
from studio.runs.result import RunResult
from studio.runs.resume import GO_ON, check_models, cut_back
from studio.runs.store import Run
from studio.runs.table import REFUSED_FILE, safe_path, write_csv

# What brings torch is imported where it is used: the page and the command line start without it.
if TYPE_CHECKING:
    from studio.coft.events import Event
    from studio.runs.checkpoints import Saved
    from studio.runs.scoring import Labels


class JobStopped(RunError):  # noqa: N818 (nothing went wrong)
    """The user stopped the run before anything was learned."""


class JobPaused(JobStopped):
    """The user paused the run: it can go on from where it was."""


def run_job(
    request: JobRequest,
    run: Run,
    *,
    cache_dir: Path,
    stop: Callable[[], bool],
    pause: Callable[[], bool] = lambda: False,
    resumed: bool = False,
    listen: Callable[[Event], None] | None = None,
    watch: Callable[[Mapping[str, Any]], None] | None = None,
) -> RunResult:
    """Work on the run from beginning to end; the run's folder tells how it goes.

    Args:
        request: What to do.
        run: From `create_run`, by this process.
        cache_dir: Where decoded images and features are kept between runs.
        stop: Asked often; true ends the run early: it labels all images with what it has learned.
        pause: Asked often; true ends the run at once, to go on later. A method that cannot is
            stopped instead.
        resumed: The run was taken up again (`runs.resume`): it goes on from its last checkpoint.
        listen: Told every event, besides the run's folder.
        watch: Told before each event how far the run is: the fields of `runs.pace.Pace`.

    Returns:
        The result, as in the run's result.json.

    Raises:
        JobStopped: Stopped before anything was learned.
        JobPaused: Paused.
        StudioError: What the user can put right; the run is "failed" with the same line.
    """
    saved = checkpoints.latest(run) if resumed else None
    report = Report(
        run, listen=listen, watch=watch, last_phase=_last_phase(request),
        models=METHODS[request.method].models, silent=saved is not None,
    )  # fmt: skip
    asked = False

    def stop_and_show() -> bool:
        nonlocal asked
        if not asked and (stop() or pause()):
            asked = True
            run.ask_to_stop()
        return asked

    try:
        run.set_status(state="running", stage="starting")
        result = _work(request, run, report, cache_dir, stop_and_show, pause, resumed, saved)
        write_json(run.path / "result.json", result.to_dict())
        run.set_status(state="stopped" if result.stopped else "finished", stage=None)
        if not result.stopped:
            checkpoints.remove(run)
        return result
    except Exception as error:
        if isinstance(error, Paused):
            reason = f"paused at {report.step}"
            run.set_status(state="stopped", reason=reason)
            raise JobPaused(f"run {run.id}: {reason}; {GO_ON} {run.id} goes on") from error
        if was_stopped(error):
            reason = "stopped before anything was learned"
            run.set_status(state="stopped", reason=reason)
            hint = f"; {GO_ON} {run.id} begins it again" if resumes(request.method) else ""
            raise JobStopped(f"run {run.id}: {reason}{hint}") from error
        explained = explain(error, folders={RUNS: run.path.parent, CACHE: cache_dir})
        if not isinstance(error, StudioError):
            run.log("".join(traceback.format_exception(error)))
        reason = (
            str(explained)
            if explained
            else f"internal error: {type(error).__name__}: {first_line(error)}"
        )
        run.set_status(state="failed", reason=reason)
        if explained is None or explained is error:
            raise
        raise explained from error
    except BaseException:
        run.set_status(state="interrupted", reason="the program was ended before the run was done")
        raise
    finally:
        with contextlib.suppress(OSError):  # on a full disk; it has been said why the run ended
            report.close()
        release_memory()


def _work(
    request: JobRequest,
    run: Run,
    report: Report,
    cache_dir: Path,
    stop: Callable[[], bool],
    pause: Callable[[], bool],
    resumed: bool,
    saved: Saved | None,
) -> RunResult:
    """The sequence itself."""
    import torch

    from studio.ask.relabel import trust_in
    from studio.clip.backbone import load_backbone
    from studio.clip.image_only import load_any
    from studio.clip.presets import preset
    from studio.clip.texts import TextTower
    from studio.coft.events import Finished, Warned, ZeroShot
    from studio.coft.given import without_strangers
    from studio.coft.start import ZeroShotStart
    from studio.coft.task import Task
    from studio.runs.consensus_model import opinion_of
    from studio.runs.estimates import RunEstimates
    from studio.runs.evaluation import evaluate
    from studio.runs.inputs import (
        alike_ones,
        bytes_of_run,
        cut_warning,
        encode,
        images_for,
        knowledge,
        prompts_of,
        strangers,
    )
    from studio.runs.pausing import Pausing
    from studio.runs.reader import RunReader
    from studio.runs.second_model import student_of
    from studio.scores.alike import alike
    from studio.scores.listed import Listed
    from studio.scores.strangers import STRONG

    began = time.monotonic() - (0.0 if saved is None else saved.seconds)
    found = check(request)
    fit = method_of(request.method).load()

    report.stage("loading the model")
    backbone = load_backbone(request.model, begin=report.progress, stop=stop)
    named = request.settings.phase2_model
    second = load_backbone(named, begin=report.progress, stop=stop) if named else None
    further = request.settings.consensus_model
    other = load_any(further, begin=report.progress, stop=stop) if further else None
    for chosen in (request.model, named, further):
        facts = preset(chosen) if chosen else None
        if facts is not None and facts.research_only:
            report(Warned(f"{chosen} is for research only: {facts.licence}."))

    def note(text: str) -> None:
        report(Warned(text))

    method = METHODS[request.method]
    needed = bytes_of_run(
        second or backbone, images=len(found.images), models=method.models if method.trains else 0
    )
    check_room(run.path, needed, what=f"a run over {plural(len(found.images), 'image')}")
    models = {"model": backbone, "phase2_model": second, "consensus_model": other}
    fingerprints = {name: one.fingerprint for name, one in models.items() if one is not None}
    if saved is not None:
        check_models(run, saved, fingerprints)
    elif resumed:
        cut_back(run, None)
    folder, canvases = images_for(
        backbone, request.folder, cache_dir=cache_dir, progress=report.progress("reading images"),
        stop=stop, note=note, follow_links=request.follow_links,
    )  # fmt: skip
    names = list(request.class_names or propose_class_names(folder))
    true_labels = truth(folder, names, aliases=request.aliases)
    _describe(run, folder, names, true_labels, mark=found.fingerprint)
    prompts = prompts_of(request.settings, backbone, request.prompts, names)
    write_json(run.path / "prompts.json", prompts.to_dict())
    paths = [image.path for image in folder.images]
    given = keep_given(
        run.path, request.corrections,
        paths=paths, class_names=names, roots=(request.folder, folder.root),
    )  # fmt: skip
    if given.missing:
        report(Warned(given.warning))
    test = test_truth = None
    if request.test_folder is not None:
        test = images_for(
            backbone, request.test_folder, cache_dir=cache_dir,
            progress=report.progress("reading test images"), stop=stop,
            follow_links=request.follow_links,
        )  # fmt: skip
        test_truth = truth(test[0], names, aliases=request.aliases)
        if test_truth is None:
            raise FolderError(
                f"No sub-folder of {request.test_folder} is called like a class, so that nothing "
                "can be measured there; leave out the test folder, or name its sub-folders so."
            )

    claims = None
    if request.labels:
        claims, warning = claimed(
            request.labels, paths=paths, class_names=names, aliases=request.aliases,
            roots=(request.folder, folder.root),
        )  # fmt: skip
        keep_labels(run.path, request.labels)
        if warning:
            report(Warned(warning))
    features = encode(
        backbone, folder, canvases, cache_dir, report.progress("encoding images"), stop
    )
    candidates, own = alike_ones(
        backbone,
        features,
        cache_dir,
        progress=report.progress("comparing images"),
        stop=None if resumed else stop,  # `--as-is` ends a run that it must first get back to
    )
    tower = TextTower(backbone)
    vectors = tower.class_vectors(prompts.texts(names))
    cut = cut_warning(tower, prompts, names, request.settings)
    if cut:
        report(Warned(cut))
    student = None
    if second is not None:
        student = student_of(
            second, request=request, class_names=names, folder=folder, canvases=canvases,
            cache_dir=cache_dir, report=report, stop=stop,
        )  # fmt: skip
    others = []
    if other is not None:
        others = [opinion_of(
            other, request=request, class_names=names, folder=folder, canvases=canvases,
            cache_dir=cache_dir, report=report, stop=stop,
        )]  # fmt: skip
    verdict = knowledge(
        backbone, features=features, class_vectors=vectors, class_names=names,
        templates=prompts.templates, cache_dir=cache_dir,
    )  # fmt: skip
    report.write("knowledge", verdict.to_dict())
    if verdict.level != "promising":
        report(Warned(verdict.sentence))
    if keeps_zero_shot(request, level=verdict.level, given=given.labels + given.judgements):
        report(Warned(NOT_TRAINED))
        fit = method_of("zero-shot").load()
    estimates = RunEstimates(
        report, backbone=backbone, features=features, class_vectors=vectors, known=verdict,
        given=given.vector, candidates=own.numpy(),
    )  # fmt: skip

    strange = strangers(
        backbone, features=features, class_vectors=vectors, class_names=names,
        templates=prompts.templates, cache_dir=cache_dir, candidates=own,
    )  # fmt: skip
    report.write("strangers", {}, {"score": strange})
    told = given.tensor()
    if request.settings.leave_out_strangers:
        told = without_strangers(told, strange >= STRONG)

    start = ZeroShotStart.of(backbone, features, vectors)
    trust = trust_in(
        start, torch.from_numpy(given.vector), torch.from_numpy(given.judged),
        settings=request.settings,
    )  # fmt: skip

    # The fit is not told the truth: only `report` compares its events with it.
    report.score_against(true_labels)
    finished = None

    def arrived() -> None:
        cut_back(run, saved)
        report.go_on()
        reader = RunReader(run)
        reader.refresh()
        estimates.judged = reader.latest("judged")

    pausing = Pausing(
        run, report, resumes=method.resumes, saved=saved, pause=pause, reserve=needed,
        made_with={"models": fingerprints}, arrived=arrived,
    )  # fmt: skip
    task = Task(
        backbone=backbone, images=canvases, features=features, class_vectors=vectors,
        class_names=names, settings=request.settings, given=told,
        claims=None if claims is None else torch.from_numpy(claims),
        judged=given.judged_tensor(), trust=trust, candidates=candidates, student=student,
        others=others, stop=stop,
        state_due=pausing.due, state=pausing.state,
    )  # fmt: skip
    for event in pausing.events(fit, task):
        report(event)
        estimates.take(event)
        if isinstance(event, ZeroShot):
            counts = torch.bincount(event.labels, minlength=len(names)).tolist()
            for sentence in Listed.of(names, counts, alike(names, vectors)).sentences():
                report(Warned(sentence))
        if isinstance(event, Finished):
            finished = event
    if finished is None:
        raise RuntimeError(f"method {request.method} ended without a Finished event")
    report.flush()

    estimates.finish(finished)
    checked = None
    if claims is not None and estimates.judged is not None:
        checked = check_labels(
            run.path, claims, judged=estimates.judged, finished=finished,
            features=estimates.features, paths=paths, class_names=names, truth=true_labels,
            candidates=own.numpy(),
        )  # fmt: skip
    measured = report.measured()
    if test is not None and test_truth is not None:
        report.stage("measuring on the test images")
        measured.update(
            evaluate(
                run.path / "model", backbone=backbone, folder=test[0], canvases=test[1],
                truth=test_truth, features=features, class_vectors=vectors, cache_dir=cache_dir,
                progress=report.progress("labelling test images"),
            )
        )  # fmt: skip
    return RunResult(
        run=run.id,
        method=request.method,
        model=request.model,
        seed=request.settings.seed,
        folder=str(request.folder.resolve()),
        images=len(folder.images),
        refused=len(folder.refused),
        classes=len(names),
        test_folder=None if request.test_folder is None else str(request.test_folder.resolve()),
        test_images=None if test is None else len(test[0].images),
        **measured,
        estimated_zero_shot_accuracy=estimates.before,
        estimated_accuracy=estimates.after,
        estimated_clean_precision=estimates.clean,
        checked=checked,
        given_labels=given.labels,
        given_rejected=given.rejected,
        judged_labels=given.judgements,
        prompts=prompts.summary(),
        knowledge=verdict.level,
        knowledge_z=verdict.numbers["z"],
        stage=finished.stage,
        stopped=finished.stopped,
        seconds=round(time.monotonic() - began, 2),
        settings=request.settings.to_dict(),
    )


def _describe(
    run: Run, folder: Folder, names: list[str], true_labels: Labels | None, *, mark: str
) -> None:
    """Write down what the run works on, once that is clear."""
    run.update_info(class_names=names, truth_known=true_labels is not None)
    images = {
        "root": str(folder.root),
        "mark": mark,
        "images": [image.path for image in folder.images],
        "refused": [dataclasses.asdict(refused) for refused in folder.refused],
    }
    write_json(run.path / "images.json", images)
    if folder.refused:
        rows = ((safe_path(item.path), item.reason, item.detail) for item in folder.refused)
        write_csv(run.path / REFUSED_FILE, ("path", "reason", "detail"), rows)


def _last_phase(request: JobRequest) -> int | None:
    if not METHODS[request.method].two_phases:
        return None
    return 2 if request.settings.phase2_epochs else 1
