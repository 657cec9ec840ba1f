"""A run once more: with the same images, names, prompts and settings, and what was corrected."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.errors import RunError
from studio.files import read_json
from studio.images.folder import class_text, parse_class_names
from studio.images.image_names import ImageNames
from studio.prompts.prompt_set import PromptSet
from studio.runs.checking import CLAIMED_FILE, read_labels
from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given import Correction
from studio.runs.given_table import GIVEN_FILE, read_corrections
from studio.runs.request import JobRequest
from studio.runs.run import Run
from studio.settings import Settings

_SUFFIX = " corrected"


def command_of(run: Run) -> str:
    """The command line that repeats a run: the same images, and the same labels again.

    Settings are named where they are not the default. Prompts, corrections and labels to check are
    taken from the run's own folder, so the command works as long as the run is there.
    """
    return shlex.join(["python", "-m", "studio", *_arguments(run)])


def _arguments(run: Run) -> Iterator[str]:
    info = run.info
    yield from ("fit", info.folder)
    if info.class_names:
        text = ",".join(info.class_names)
        # A folder that is called like its class is found without being told.
        aliases = {folder: name for folder, name in info.aliases.items() if folder != name}
        if aliases or tuple(parse_class_names(text)) != info.class_names:
            text = class_text(info.class_names, aliases)
        yield from ("--classes", text)
    if info.follow_links:
        yield "--follow-links"
    yield from ("--method", info.method, "--model", info.model, "--seed", str(info.seed))
    if info.test_folder is not None:
        yield from ("--test", info.test_folder)
    files = {"--prompts": "prompts.json", "--corrections": GIVEN_FILE, "--labels": CLAIMED_FILE}
    for option, name in files.items():
        if (run.path / name).is_file():
            yield from (option, str(run.path / name))
    defaults = Settings().to_dict()
    for name, value in info.settings.items():
        if name != "seed" and name in defaults and value != defaults[name]:
            yield from (
                "--set",
                f"{name}={str(value).lower() if value in (True, False) else value}",
            )


def request_of(run: Run) -> JobRequest:
    """What a run was asked to do, the corrections that it was given left out.

    Raises:
        StudioError: It was made by a version with other settings.
    """
    info = run.info
    prompts = read_json(run.path / "prompts.json")
    return JobRequest(
        folder=Path(info.folder),
        class_names=info.class_names or None,
        aliases=info.aliases,
        method=info.method,
        model=info.model,
        settings=Settings.from_dict(info.settings),
        prompts=None if prompts is None else PromptSet.from_dict(prompts),
        test_folder=None if info.test_folder is None else Path(info.test_folder),
        name=info.name,
        follow_links=info.follow_links,
        labels=read_labels(claimed) if (claimed := run.path / CLAIMED_FILE).is_file() else {},
    )


def corrected(run: Run) -> JobRequest:
    """The request of a new run that takes the run's corrections as given.

    Raises:
        RunError: Nothing was corrected.
        StudioError: As `request_of`.
    """
    corrections = corrections_of(run)
    if not corrections:
        raise RunError("Nothing is corrected yet: accept, relabel or reject some images first.")
    asked = request_of(run)
    name = run.info.name.removesuffix(_SUFFIX) + _SUFFIX
    names = asked.class_names
    if names is not None:
        names = (*names, *Corrections.of(run).added())
    return dataclasses.replace(asked, name=name, corrections=corrections, class_names=names)


def corrections_from(
    source: Path | Run,
    *,
    images: ImageNames | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Correction]:
    """The corrections in a CSV file, or those of a run; images, tell: see `read_corrections`.

    Raises:
        RunError: There are none, or they cannot be read.
    """
    if isinstance(source, Run):
        found = dict(corrections_of(source))
    else:
        found = read_corrections(source, images=images, tell=tell)
    if not found:
        name = source.id if isinstance(source, Run) else source
        raise RunError(f"{name} holds no corrections: nothing was accepted, relabelled or rejected")
    return found
