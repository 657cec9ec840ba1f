"""Tools for the data set at hand and for runs: open a folder, train, look how it goes, stop."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from studio.clip.presets import EMBEDDED, PRESETS
from studio.errors import FolderError, RunError, StudioError
from studio.files import finite
from studio.imports import import_torch
from studio.methods import METHODS
from studio.runs.again import corrected, request_of
from studio.runs.corrections import corrections_of
from studio.runs.form import as_text
from studio.runs.store import ACTIVE, RunInfo
from studio.scores.estimate import Estimate
from studio.session.rooms import Whose
from studio.session.start import at_hand
from studio.settings import Settings
from studio.ui.handlers import InSession
from studio.ui.tools.advice import for_programs

LONGEST_S = 100.0
"""Seconds that a tool waits for work in the background, before it says how far that is."""

DEMO = "demo"


class RunTools(InSession):
    """Each method is a tool: its name, types and docstring are what a program is told."""

    def __init__(self, session: Whose) -> None:
        super().__init__(session)

    def list_models(self) -> list[dict[str, Any]]:
        """List the image-text models that can be chosen for `open_folder` and `fit`.

        All but `embedded` are fetched from the Hugging Face hub when they are first used. Figures:
        zero-shot accuracy on ImageNet in percent, parameters in millions.
        """
        return [
            {
                "name": name, "purpose": facts.purpose, "parameters": facts.parameters,
                "imagenet": facts.imagenet, "licence": facts.licence,
                "download_mb": facts.download_mb,
            }
            for name, facts in {"embedded": EMBEDDED, **PRESETS}.items()
        ]  # fmt: skip

    def list_runs(self) -> list[dict[str, Any]]:
        """List all runs, newest first: id, name, state, method, model, folder, number of classes.

        A run is one training, or one labelling without training. Its id is what other tools take as
        `run`.
        """
        return [
            {
                "run": info.id, "name": info.name, "state": info.state, "method": info.method,
                "model": info.model, "folder": info.folder, "classes": len(info.class_names),
                "created": info.created,
            }
            for info in self.session.store.list()
        ]  # fmt: skip

    def open_folder(
        self, folder: str, class_names: list[str] | None = None, model: str = "embedded"
    ) -> dict[str, Any]:
        """Open a folder of images and give every image its first label; nothing is trained.

        The data set that the page shows changes with it. The answer says how many images were read
        and refused, the class names, how many images got each label, and an estimate of how many
        labels are right, which is known before any true label is. If `busy` is not empty, call
        `status` without a run until it is.

        Args:
            folder: Path of a folder on the studio's machine, or "demo" for a set that the studio
                draws itself.
            class_names: What the images may show. If left out: the names of the sub-folders.
            model: One of `list_models`.
        """
        data, session = self.session.data, self.session
        ends = time.monotonic() + LONGEST_S
        names = None if class_names is None else "\n".join(class_names)
        if folder == DEMO:
            data.set_inputs(model=model)
            data.use_demo(names_text=names)
        else:
            path = session.folders.typed(folder)
            data.set_inputs(model=model)
            data.use_folder(path, then_label=True, names_text=names)
        _wait(lambda: not data.state.busy, ends)
        return self._data()

    def fit(
        self,
        like: str = "",
        method: str = "",
        model: str = "",
        settings: dict[str, str | int | float | bool] | None = None,
        name: str = "",
    ) -> dict[str, Any]:
        """Start training, on the folder that is open or like an earlier run; returns at once.

        Follow it with `status`. Only one run is at work at a time.

        Args:
            like: Id of a run: train again on its images, with its classes, model and settings, and
                with what was said by `correct` since. If left out: the folder that is open.
            method: One of METHODS. "coft" trains two models that judge each other's labels, and
                "zero-shot" only labels. If left out: coft, or as `like`.
            model: One of `list_models`. If left out: that of `open_folder`, or as `like`.
            settings: Values by name. One of SETTINGS.
            name: What the run is called.

        Returns:
            The run's id.
        """
        texts = {key: _typed(value) for key, value in (settings or {}).items()}
        if method and method not in METHODS:
            raise RunError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
        if like:
            run = self.session.store.get(like)
            request = corrected(run) if corrections_of(run) else request_of(run)
            changes: dict[str, Any] = {"method": method, "model": model, "name": name[:60]}
            if texts:
                default = Settings().to_dict()
                own = {
                    k: _typed(v) for k, v in request.settings.to_dict().items() if v != default[k]
                }
                changes["settings"] = Settings.from_overrides({**own, **texts})
            kept = {key: value for key, value in changes.items() if value}
            request = dataclasses.replace(request, **kept)
        else:
            if model:
                self.session.data.set_inputs(model=model)
            request = at_hand(
                self.session, method=method or "coft", settings=Settings.from_overrides(texts),
                name=name,
            )  # fmt: skip
        import_torch()
        return {"run": self.session.start(request)}

    def status(self, run: str = "", wait_seconds: int = 0) -> dict[str, Any]:
        """How a run stands: its state, how far it is, and what came of it once it has ended.

        `state` is queued, running or stopping while it is at work, and finished, stopped, failed or
        interrupted afterwards. Estimates are shares of right labels in [0, 1], worked out without a
        true label, with the interval they lie in.

        Args:
            run: Its id. If left out: how the data set that is open stands.
            wait_seconds: Wait for the end of the work, up to 100 seconds.
        """
        ends = time.monotonic() + max(0.0, min(float(wait_seconds), LONGEST_S))
        if not run:
            _wait(lambda: not self.session.data.state.busy, ends)
            return self._data()
        folder = self.session.store.get(run)
        _wait(lambda: folder.status()["state"] not in ACTIVE, ends)
        return self._run(folder.info)

    def stop(self, run: str = "") -> dict[str, Any]:
        """End the run that is at work early. It keeps what it has learned, and has labels.

        Args:
            run: Its id, to be sure which one is meant. If left out: whichever is at work.
        """
        active = self.session.active()
        if active is None or (run and run != active):
            raise RunError(f"The run {run} is not at work." if run else "Nothing is at work.")
        if self.session.worker.current() != active:
            raise RunError(f"The run {active} belongs to another process; stop it there.")
        self.session.worker.stop()
        return self._run(self.session.store.get(active).info)

    # What is said ------------------------------------------------------------------------------

    def _data(self) -> dict[str, Any]:
        """The data set that is open."""
        view = self.session.data.state
        if view.error:
            raise StudioError(view.error)
        if view.folder is None and not view.busy:
            raise FolderError("No folder is open; call open_folder first.")
        said: dict[str, Any] = {"folder": view.path, "busy": view.busy}
        if view.folder is not None:
            said |= {
                "images": len(view.folder.images), "refused": len(view.folder.refused),
                "class_names": view.names, "model": view.model,
                "notes": [for_programs(note) for note in (*view.notes, *view.names_notes)],
            }  # fmt: skip
        if view.preview is not None and not view.stale and not view.busy:
            preview = view.preview
            said |= {
                "first_labels": dict(zip(preview.class_names, preview.counts(), strict=True)),
                "estimate": _estimate(preview.estimate), "verdict": preview.verdict,
            }  # fmt: skip
        return said

    def _run(self, info: RunInfo) -> dict[str, Any]:
        run = self.session.store.get(info.id)
        status, result = run.status(), run.result()
        said: dict[str, Any] = {
            "run": info.id, "name": info.name, "state": status["state"],
            "reason": for_programs(status["reason"] or ""), "doing": status["stage"] or "",
            "share_done": status["fraction"], "seconds_left": status["eta_seconds"],
            "class_names": list(info.class_names),
        }  # fmt: skip
        if result is not None:
            said |= {
                "images": result.images, "share_clean": finite(result.clean_fraction),
                "estimate_before": _estimate(result.estimated_zero_shot_accuracy),
                "estimate": _estimate(result.estimated_accuracy),
                "given_labels": result.given_labels, "judged_labels": result.judged_labels,
                "warnings": [for_programs(one) for one in self.session.reader(info.id).warnings],
            }  # fmt: skip
        return said


def _typed(value: object) -> str:
    """A setting as one types it."""
    return str(value).lower() if isinstance(value, bool) else as_text(value)


def _wait(until: Callable[[], bool], ends: float) -> None:
    while not until() and time.monotonic() < ends:
        time.sleep(0.1)


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {
        "value": round(estimate.accuracy, 4), "low": round(estimate.low, 4),
        "high": round(estimate.high, 4),
    }  # fmt: skip
