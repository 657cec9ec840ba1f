"""`python -m studio fit`: parsed options in, a run out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import INTERRUPTED, FolderError, RunError, SettingsError, WriteError

if TYPE_CHECKING:
    import argparse

    from studio.ranks import Ranks
    from studio.runs.request import JobRequest


def fit(options: argparse.Namespace) -> int:
    """Label and train, or go on with a run; the result goes to stdout."""
    from studio.processes import helps, processes

    if helps():
        return _help(options)
    if options.resume is not None:
        _check_resumed(options)
    request = None if options.resume is not None else _asked(options)
    with processes(options.processes, ["fit", "--cache", str(options.cache)]) as ranks:
        return _fit(options, request, ranks)


def _fit(options: argparse.Namespace, request: JobRequest | None, ranks: Ranks) -> int:
    """The same, once all processes are there. request: of a new run."""
    from studio.api.fitting import work
    from studio.cache_folder import tidy
    from studio.files import finite
    from studio.runs.command import summary
    from studio.runs.job import JobStopped
    from studio.runs.mirror import check_mirror, mirrored
    from studio.runs.request import create_run
    from studio.runs.resume import take_up
    from studio.runs.store import RunStore

    check_mirror(options.mirror)
    store = RunStore(options.runs)
    if request is not None:
        store.tidy()
        tidy(options.cache)
        run = create_run(request, store)
    else:
        store.tidy()
        known = store.find(options.resume)
        request, run = take_up(RunStore(known.path.parent), known.id)
    try:
        with mirrored(run.path, options.mirror, tell=partial(print, file=sys.stderr)):
            result = work(
                request, run, cache=options.cache, resumed=options.resume is not None,
                as_is=options.as_is, ranks=ranks,
            )  # fmt: skip
    except JobStopped as stopped:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except WriteError as error:
        raise RunError(f"run {run.id} failed: {error}") from error
    if options.json:
        print(json.dumps(finite(result.to_dict())), flush=True)
    else:
        print(summary(result, run), flush=True)
    return INTERRUPTED if result.stopped and not options.as_is else 0


def _help(options: argparse.Namespace) -> int:
    """Be one of the processes that share the work on a run, and not the one that writes it."""
    from studio.processes import processes

    with processes(options.processes, []) as ranks:
        from studio.runs.helping import Helper

        Helper(ranks, cache_dir=options.cache).help()
    return 0


def _asked(options: argparse.Namespace) -> JobRequest:
    """What `fit` is asked to do."""
    from studio.api.asked import asked
    from studio.terminal import Terminal

    if options.folder is None:
        raise FolderError("Give FOLDER, a folder of images, or --resume RUN to go on with a run.")
    if options.as_is:
        raise SettingsError("--as-is belongs to --resume RUN.")
    with Terminal() as terminal:
        return asked(
            options.folder,
            cache=options.cache,
            runs=options.runs,
            classes=class_names(options),
            model=options.model,
            method=options.method,
            prompts=options.prompts,
            test=options.test,
            corrections=options.corrections,
            labels=options.labels,
            name=options.name,
            settings=_settings(options),
            splits=options.splits,
            follow_links=options.follow_links,
            tell=terminal.line,
            progress=lambda done, total: terminal.progress("drawing the demo", done, total),
        )


_OF_A_NEW_RUN = (
    "folder", "names", "classes", "prompts", "test", "corrections", "labels", "name", "seed",
    "phase2_model", "consensus_model", "overrides", "follow_links",
)  # fmt: skip


def _check_resumed(options: argparse.Namespace) -> None:
    """A run goes on as it began."""
    given = [name for name in _OF_A_NEW_RUN if getattr(options, name)]
    if given:
        option = {"folder": "a folder", "overrides": "--set"}.get(
            given[0], f"--{given[0].replace('_', '-')}"
        )
        raise SettingsError(f"A run goes on as it began: give --resume without {option}.")


def class_names(options: argparse.Namespace) -> Path | str | None:
    """What --names or --classes gives; None where neither is given.

    Raises:
        SettingsError: Both are.
    """
    if options.names is not None and options.classes is not None:
        raise SettingsError("Give the class names with --names or with --classes, not with both.")
    names: Path | str | None = options.names or options.classes
    return names


def _settings(options: argparse.Namespace) -> dict[str, str]:
    settings = _overrides(options.overrides)
    if options.seed is not None:
        settings["seed"] = options.seed
    if options.phase2_model is not None:
        settings["phase2_model"] = options.phase2_model
    if options.consensus_model is not None:
        settings["consensus_model"] = options.consensus_model
    return settings


def _overrides(pairs: Sequence[str]) -> dict[str, str]:
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set takes NAME=VALUE, not {pair!r}")
        overrides[name.strip()] = value.strip()
    return overrides
