"""A run once more: with the same images, names, prompts and settings, and what was corrected."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from studio.errors import RunError
from studio.prompts.prompt_set import PromptSet
from studio.runs.corrections import corrections_of
from studio.runs.files import read_json
from studio.runs.given import Correction, read_corrections
from studio.runs.request import JobRequest
from studio.runs.run import Run
from studio.settings import Settings

_SUFFIX = " corrected"


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
    return dataclasses.replace(asked, name=name, corrections=corrections)


def corrections_from(source: Path | Run) -> dict[str, Correction]:
    """The corrections in a CSV file, or those of a run.

    Raises:
        RunError: There are none, or they cannot be read.
    """
    found = dict(corrections_of(source) if isinstance(source, Run) else read_corrections(source))
    if not found:
        name = source.id if isinstance(source, Run) else source
        raise RunError(f"{name} holds no corrections: nothing was accepted, relabelled or rejected")
    return found
