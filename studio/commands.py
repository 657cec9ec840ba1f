"""What each command of the command line does: parsed options in, exit code out."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import FolderError, SettingsError

if TYPE_CHECKING:
    import argparse

    from studio.runs.given import Correction
    from studio.runs.request import JobRequest

INTERRUPTED = 130  # what a shell expects after Ctrl-C
_DEMO = "demo"


def fit(options: argparse.Namespace) -> int:
    """Label and train; the result goes to stdout."""
    from studio.files import finite
    from studio.methods import METHODS
    from studio.runs.command import summary
    from studio.runs.job import JobStopped, run_job
    from studio.runs.request import create_run
    from studio.runs.store import RunStore
    from studio.terminal import Terminal

    request = _request(options)
    run = create_run(request, RunStore(options.runs))
    models = METHODS[options.method].models
    with _stop_on_ctrl_c() as stop, Terminal(models=models) as terminal:
        terminal.line(f"run {run.id}")
        try:
            result = run_job(
                request, run, cache_dir=options.cache, stop=stop.is_set, listen=terminal.show,
                watch=terminal.watch,
            )  # fmt: skip
        except JobStopped as stopped:
            terminal.line(str(stopped))
            return INTERRUPTED
    if options.json:
        print(json.dumps(finite(result.to_dict())), flush=True)
    else:
        print(summary(result, run), flush=True)
    return INTERRUPTED if result.stopped else 0


def _request(options: argparse.Namespace) -> JobRequest:
    from studio.images.folder import (
        parse_aliases,
        parse_class_names,
        propose_class_names,
        read_aliases,
        read_class_names,
        scan,
    )
    from studio.methods import method_of
    from studio.prompts.prompt_set import PromptSet
    from studio.runs.checking import read_labels
    from studio.runs.request import JobRequest
    from studio.settings import Settings
    from studio.terminal import Terminal

    overrides = _overrides(options.overrides)
    if options.seed is not None:
        overrides["seed"] = options.seed
    if options.phase2_model is not None:
        overrides["phase2_model"] = options.phase2_model
    chosen = Settings.from_overrides(overrides)
    method_of(options.method)
    prompts = None if options.prompts is None else PromptSet.load(options.prompts)
    folder, names, aliases = Path(options.folder).expanduser(), None, {}
    if options.names is not None and options.classes is not None:
        raise SettingsError("Give the class names with --names or with --classes, not with both.")
    if options.names is not None:
        names = tuple(read_class_names(options.names))
        aliases = read_aliases(options.names)
    if options.classes is not None:
        names = tuple(parse_class_names(options.classes))
        aliases = parse_aliases(options.classes)
    if options.folder == _DEMO and not folder.exists():
        from studio.demo import DEMO_CLASSES, demo_folder

        with Terminal() as terminal:
            folder = demo_folder(
                options.cache,
                progress=lambda done, total: terminal.progress("drawing the demo", done, total),
            )
        names = names or tuple(DEMO_CLASSES)
    labels = {} if options.labels is None else read_labels(options.labels)
    if names is None and not propose_class_names(scan(folder)):
        if not labels:
            raise FolderError(
                f"{folder} has no sub-folders to take class names from; give them with "
                "--names FILE or --classes a,b,c"
            )
        names = tuple(sorted(set(labels.values())))
    corrections: Mapping[str, Correction] = {}
    if options.corrections is not None:
        from studio.runs.again import corrections_from
        from studio.runs.store import RunStore

        table = Path(options.corrections).expanduser()
        corrections = corrections_from(
            table if table.is_file() else RunStore(options.runs).find(options.corrections)
        )
    return JobRequest(
        folder=folder,
        class_names=names,
        aliases=aliases,
        method=options.method,
        model=options.model,
        settings=chosen,
        prompts=prompts,
        test_folder=options.test,
        name=options.name or (options.folder if options.folder == _DEMO else None),
        corrections=corrections,
        labels=labels,
    )


def _overrides(pairs: Sequence[str]) -> dict[str, str]:
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set takes NAME=VALUE, not {pair!r}")
        overrides[name.strip()] = value.strip()
    return overrides


@contextmanager
def _stop_on_ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) asks to end and keep what was learned; the second just ends."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not `print`: a signal may arrive in the middle of one.
        os.write(2, b"\nstopping, keeping what was learned; Ctrl-C again to give that up\n")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prompts(options: argparse.Namespace) -> int:
    """Have a language model write prompts, or write down hand-written ones."""
    from studio.images.folder import read_class_names
    from studio.prompts.command import Order, write_file

    order = Order(
        read_class_names(options.names), options.out, options.description, options.sentences,
        options.templates, options.model, options.hand_written, options.dry_run,
    )  # fmt: skip
    with _stop_on_ctrl_c() as stop:
        return write_file(order, cache_dir=options.cache, stop=stop.is_set)


def predict(options: argparse.Namespace) -> int:
    """Label another folder with a run's classifier."""
    from studio import export
    from studio.runs.store import RunStore
    from studio.terminal import Terminal

    run = RunStore(options.runs).find(options.run)
    with Terminal() as terminal:
        done = export.predict(
            run,
            options.folder,
            options.out,
            cache_dir=options.cache,
            progress=terminal.progress,
        )
        for refused in done["refused_files"]:
            terminal.line(f"refused {refused['path']}: {refused['reason']} ({refused['detail']})")
    print(f"{done['images']} images labelled, {done['refused']} refused: {done['out']}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Compare methods on labelled sets."""
    from studio.bench.command import bench as compare

    return compare(options)


def paper(options: argparse.Namespace) -> int:
    """Repeat a row of the paper's tables."""
    from studio.paper.command import paper as repeat

    return repeat(options)


def runs(options: argparse.Namespace) -> int:
    """List past runs, or rename one, or keep a note with it, or print what repeats it."""
    from studio.runs.command import runs as work

    return work(options)


def models(_options: argparse.Namespace) -> int:
    """List the models that have a name, and whether they are on this machine."""
    from studio.clip.presets import preset, presets
    from studio.clip.sources import at_hand
    from studio.runs.command import text_table

    rows = []
    for name in presets():
        facts = preset(name)
        assert facts is not None
        fetched = f"{facts.download_mb} MB" if facts.download_mb else "-"
        accuracy = "-" if facts.imagenet is None else f"{facts.imagenet:.1f}"
        rows.append(
            (name, f"{facts.image_size}", f"{facts.parameters:.1f} M", accuracy, fetched,
             "yes" if at_hand(facts) else "no", facts.licence, facts.purpose)
        )  # fmt: skip
    head = ("model", "pixels", "parameters", "ImageNet", "download", "here", "licence", "good for")
    print(text_table(head, rows))
    print(
        "\nImageNet: zero-shot, in percent, as published. Besides these --model takes "
        "ARCHITECTURE:TAG of\nopen_clip, hf-hub:OWNER/NAME, a folder, and "
        "ARCHITECTURE=FILE.safetensors or ARCHITECTURE:TAG=FILE.safetensors."
    )
    return 0


def settings(_options: argparse.Namespace) -> int:
    """List all settings."""
    from studio.runs.command import text_table
    from studio.settings import describe

    rows = []
    for item in describe():
        options = f" [{', '.join(map(str, item.options))}]" if item.options else ""
        rows.append((item.name, item.typed_default, item.source, item.help + options))
    print(text_table(("setting", "default", "source", "meaning"), rows))
    return 0
