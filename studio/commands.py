"""What each command of the command line does: parsed options in, exit code out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from studio.errors import INTERRUPTED, SettingsError, Stopped
from studio.numbers import plural

if TYPE_CHECKING:
    import argparse


def fit(options: argparse.Namespace) -> int:
    """Label and train, or go on with a run; the result goes to stdout."""
    from studio.api.command import fit as label_and_train

    return label_and_train(options)


def prompts(options: argparse.Namespace) -> int:
    """Have a language model write prompts, or write down hand-written ones."""
    from studio.images.folder import read_class_names
    from studio.prompts.command import Order, write_file
    from studio.terminal import stop_on_ctrl_c

    order = Order(
        read_class_names(options.names), options.out, options.description, options.sentences,
        options.templates, options.model, options.hand_written, options.dry_run, options.over,
    )  # fmt: skip
    with stop_on_ctrl_c() as stop:
        return write_file(order, cache_dir=options.cache, stop=stop.is_set)


def suggest(options: argparse.Namespace) -> int:
    """List the images that are worth an answer."""
    from functools import partial

    from studio.api.command import class_names
    from studio.api.suggesting import COLUMNS
    from studio.api.suggesting import suggest as found
    from studio.api.target import Target
    from studio.runs.table import check_out
    from studio.terminal import Terminal, stop_on_ctrl_c

    # Before hours are spent on looking at the images.
    check_out(options.out, COLUMNS, over=options.over)
    order = Target(
        options.target, options.budget, options.runs, options.cache, class_names(options),
        options.prompts, options.model,
    )  # fmt: skip
    with stop_on_ctrl_c() as stop, Terminal() as terminal:
        try:
            table = found(
                order, begin=lambda text: partial(terminal.progress, text), stop=stop.is_set
            )
        except Stopped:
            return INTERRUPTED
    table.save(options.out)
    print(f"{plural(len(table), 'image')} worth an answer: {options.out}")
    return 0


def checks(options: argparse.Namespace) -> int:
    """Draw images to check, or say what those that were checked tell of all labels."""
    from studio.api.checks import CHECK_COLUMNS
    from studio.api.run import Run
    from studio.errors import RunError
    from studio.runs.deciding import USUAL, WAYS, sentences
    from studio.runs.store import RunStore
    from studio.runs.table import check_out

    run = Run(RunStore(options.runs).find(options.run))
    if options.keep is not None:
        run.keep(options.keep)
        print(f"labels.csv and exports take the labels {WAYS.get(run.standing, run.standing)}")
        return 0
    if options.out is not None:
        check_out(options.out, CHECK_COLUMNS, answers="label")
        table = run.checks(options.number)
        table.save(options.out)
        print(f"{plural(len(table), 'image')} to check: {options.out}")
        return 0
    try:
        judged = None if options.answers is not None else run.judge_checks()
        lines = [] if judged is None else judged.lines
    except RunError as error:
        lines = [str(error)]
    if lines:
        for sentence in lines:
            print(sentence)
        if not run.checked:
            return 0
        print()
    found = run.decide(options.answers)
    for sentence in sentences(found):
        print(sentence)
    if run.standing not in found.shares:
        print(f"They are not compared with the labels {WAYS.get(run.standing, run.standing)}, "
              "which stand.")  # fmt: skip
    try:
        told = run.accuracy(options.answers).sentences()
    except RunError as error:  # of those that stand; what the answers say of the others is printed
        told = [str(error)]
    for sentence in told:
        print(sentence)
    if run.standing != USUAL:
        print(
            f"labels.csv and exports take the labels {WAYS.get(run.standing, run.standing)}; "
            f"--keep {USUAL} goes back to those after training."
        )
    return 0


def judge(options: argparse.Namespace) -> int:
    """Have a vision-language model say what images show."""
    from functools import partial

    from studio.api.command import class_names
    from studio.api.judging import JudgeOrder
    from studio.api.judging import judge as ask
    from studio.terminal import Terminal, stop_on_ctrl_c

    order = JudgeOrder(
        options.target, options.budget, options.runs, options.cache, class_names(options),
        options.prompts, options.model, options.judge, options.url, options.about, options.price,
        options.out, options.yes, options.dry_run, options.checks, options.over,
    )  # fmt: skip
    with stop_on_ctrl_c() as stop, Terminal() as terminal:
        try:
            return ask(
                order,
                begin=lambda text: partial(terminal.progress, text),
                tell=terminal.line,
                progress=partial(terminal.progress, "images judged"),
                stop=stop.is_set,
                agree=_agrees,
            )
        except Stopped:
            return INTERRUPTED


def _agrees(question: str) -> bool:
    """Whether whoever sits at the terminal says yes.

    Raises:
        SettingsError: Nobody does.
    """
    if not sys.stdin.isatty():
        raise SettingsError("nothing was sent: say yes with --yes, or start this in a terminal")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def predict(options: argparse.Namespace) -> int:
    """Label another folder with a run's classifier."""
    from studio.export.predict import predict as label
    from studio.runs.store import RunStore
    from studio.terminal import Terminal

    run = RunStore(options.runs).find(options.run)
    with Terminal() as terminal:
        done = label(
            run,
            options.folder,
            options.out,
            cache_dir=options.cache,
            progress=terminal.progress,
            follow_links=options.follow_links,
            over=options.over,
        )
        for refused in done.refused:
            terminal.line(f"refused {refused.path}: {refused.reason} ({refused.detail})")
    print(
        f"{plural(len(done.paths), 'image')} labelled, {len(done.refused)} refused: {options.out}"
    )
    return 0


def export(options: argparse.Namespace) -> int:
    """Take a run away in one of the formats."""
    from functools import partial

    from studio.export.command import export as take
    from studio.progress import Progress
    from studio.terminal import Terminal, stop_on_ctrl_c

    with stop_on_ctrl_c() as stop, Terminal() as terminal:

        def begin(text: str) -> Progress:
            progress = partial(terminal.progress, text)

            def tell(done: int, total: int) -> None:
                if stop.is_set():
                    raise Stopped
                progress(done, total)

            return tell

        try:
            return take(options, begin=begin)
        except Stopped:  # of an export that is not whole nothing is left
            return INTERRUPTED


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


def models(options: argparse.Namespace) -> int:
    """List the models that have a name, or rank those at hand for a folder."""
    if options.rank is not None:
        return _rank(options)
    given = [name for name in ("names", "classes", "prompts", "model") if getattr(options, name)]
    if given:
        raise SettingsError(f"--{given[0]} belongs to --rank FOLDER; give the folder as well.")
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
        "ARCHITECTURE:TAG of\nopen_clip, hf-hub:OWNER/NAME[@REVISION], a folder, and "
        "ARCHITECTURE=FILE.safetensors or ARCHITECTURE:TAG=FILE.safetensors."
    )
    return 0


def _rank(options: argparse.Namespace) -> int:
    from functools import partial

    from studio.analysis.which_model import ranking_text
    from studio.api.classes import classes_of, listed
    from studio.api.command import class_names
    from studio.clip.sources import models_at_hand
    from studio.images.folder import truth
    from studio.images.preparing import prepare
    from studio.prompts.prompt_set import PromptSet
    from studio.runs.which_model import rank_models
    from studio.terminal import Terminal, stop_on_ctrl_c

    root, given = options.rank.expanduser(), class_names(options)
    prompts = None if options.prompts is None else PromptSet.load(options.prompts)
    with stop_on_ctrl_c() as stop, Terminal() as terminal:
        reading = partial(terminal.progress, "reading the images")
        try:
            folder, canvases = prepare(
                root, cache_dir=options.cache, progress=reading, stop=stop.is_set
            )
            classes = classes_of(
                None if given is None else listed(given), folder, {},
                splits="auto", demo=False, tell=terminal.line,
            )  # fmt: skip
            ranked = rank_models(
                folder=folder,
                canvases=canvases,
                class_names=classes.names,
                models=[*models_at_hand(), *options.model],
                prompts=prompts,
                cache_dir=options.cache,
                begin=lambda text: partial(terminal.progress, text),
                stop=stop.is_set,
                truth=truth(folder, classes.names, aliases=classes.aliases),
            )
        except Stopped:
            return INTERRUPTED
    print(ranking_text(ranked))
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
