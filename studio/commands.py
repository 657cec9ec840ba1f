"""What each command of the command line does: parsed options in, exit code out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import RunError, SettingsError, WriteError

if TYPE_CHECKING:
    import argparse

    from studio.coft.events import Event
    from studio.runs.given import Correction
    from studio.runs.request import JobRequest

INTERRUPTED = 130  # what a shell expects after Ctrl-C
STOP_S = 8.0  # after SIGTERM, as of `runs.worker`
_DEMO = "demo"


def fit(options: argparse.Namespace) -> int:
    """Label and train; the result goes to stdout."""
    from studio.cache_folder import tidy
    from studio.files import finite
    from studio.methods import METHODS
    from studio.runs.command import refusals, summary
    from studio.runs.job import JobStopped, run_job
    from studio.runs.request import create_run
    from studio.runs.store import RunStore
    from studio.terminal import Terminal

    request, store = _request(options), RunStore(options.runs)
    store.tidy()
    tidy(options.cache)
    run = create_run(request, store)
    models = METHODS[options.method].models
    with _stop_on_ctrl_c() as stop, Terminal(models=models) as terminal:
        terminal.line(f"run {run.id}")
        told = False

        def listen(event: Event) -> None:
            nonlocal told
            if not told and (run.path / "images.json").is_file():
                told = True
                for line in refusals(run):
                    terminal.line(line)
            terminal.show(event)

        try:
            result = run_job(
                request, run, cache_dir=options.cache, stop=stop.is_set, listen=listen,
                watch=terminal.watch,
            )  # fmt: skip
        except JobStopped as stopped:
            terminal.line(str(stopped))
            return INTERRUPTED
        except WriteError as error:
            raise RunError(f"run {run.id} failed: {error}") from error
    if options.json:
        print(json.dumps(finite(result.to_dict())), flush=True)
    else:
        print(summary(result, run), flush=True)
    return INTERRUPTED if result.stopped else 0


def _request(options: argparse.Namespace) -> JobRequest:
    from studio.images.folder import nothing_usable, scan
    from studio.images.image_names import ImageNames
    from studio.methods import method_of
    from studio.prompts.prompt_set import PromptSet
    from studio.runs.asked import classes_of
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
    folder = Path(options.folder).expanduser()
    demo = options.folder == _DEMO and not folder.exists()
    with Terminal() as terminal:
        if demo:
            from studio.demo import demo_folder

            folder = demo_folder(
                options.cache,
                progress=lambda done, total: terminal.progress("drawing the demo", done, total),
            )
        found = scan(folder, follow_links=options.follow_links)
        if not found.images:
            raise nothing_usable(found)
        images = ImageNames((image.path for image in found.images), roots=(folder, found.root))
        labels: dict[str, str] = {}
        if options.labels is not None:
            labels = read_labels(options.labels, images=images, tell=terminal.line)
        corrections: Mapping[str, Correction] = {}
        if options.corrections is not None:
            from studio.runs.again import corrections_from
            from studio.runs.store import RunStore

            table = Path(options.corrections).expanduser()
            corrections = corrections_from(
                table if table.is_file() else RunStore(options.runs).find(options.corrections),
                images=images,
                tell=terminal.line,
            )
        classes = classes_of(options, found, labels, demo=demo, tell=terminal.line)
    return JobRequest(
        folder=folder,
        class_names=classes.names,
        aliases=classes.aliases,
        method=options.method,
        model=options.model,
        settings=chosen,
        prompts=prompts,
        test_folder=options.test,
        name=options.folder if options.folder == _DEMO else None,
        corrections=corrections,
        labels=labels,
        follow_links=options.follow_links,
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
    """The first Ctrl-C (or SIGTERM) asks to end and keep what was learned; the second just ends.

    After SIGTERM there is so much time for it: whoever sends it sends SIGKILL soon.
    """
    stop = threading.Event()
    main = threading.main_thread().ident
    alarm = threading.Timer(STOP_S, lambda: signal.pthread_kill(main or 0, signal.SIGINT))
    alarm.daemon = True

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        # Not `print`: a signal may arrive in the middle of one.
        with suppress(OSError):
            os.write(2, b"\nstopping, keeping what was learned; Ctrl-C again to give that up\n")
        if number == signal.SIGTERM and sys.platform != "win32":
            alarm.start()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield stop
    finally:
        alarm.cancel()
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
            follow_links=options.follow_links,
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


def cache(options: argparse.Namespace) -> int:
    """Say what the cache holds, or empty it, or keep it within a limit."""
    from studio import cache_folder
    from studio.numbers import size
    from studio.runs.command import text_table

    if options.clear:
        print(f"{size(cache_folder.clear(options.cache))} given back")
    elif options.limit is not None:
        freed = cache_folder.trim(options.cache, cache_folder.parse_size(options.limit))
        print(f"{size(freed)} given back")
    cache_folder.tidy(options.cache)
    found = cache_folder.sizes(options.cache)
    rows = [(what, size(bytes)) for what, bytes in found.items() if bytes]
    print(text_table((str(options.cache), "size"), [*rows, ("in all", size(sum(found.values())))]))
    return 0


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
