"""workspace.json: the data set at hand on disk, for the next start of the studio."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import StudioError
from studio.files import read_json, write_json
from studio.prompts.form import LlmForm
from studio.prompts.prompt_set import PromptSet

_log = logging.getLogger(__name__)
_VERSION = 1


@dataclass(frozen=True)
class Saved:
    """What is kept; `labelled`: whether the images had labels, which are made anew."""

    path: str = ""
    source: str = ""
    names_text: str = ""
    model: str = ""
    labelled: bool = False
    prompts: PromptSet = field(default_factory=PromptSet)
    llm_form: LlmForm = field(default_factory=LlmForm)
    follow_links: bool = False


def save(file: Path, saved: Saved) -> None:
    """Write it, atomically. On a full disk the studio works on, it only forgets."""
    state = {
        "version": _VERSION,
        **vars(saved),
        "prompts": saved.prompts.to_dict(),
        "llm_form": saved.llm_form.to_dict(),
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, state)
    except (OSError, UnicodeEncodeError):  # a full disk; a path that is no text
        _log.warning("cannot write %s", file)


def load(file: Path) -> Saved:
    """Read it; whatever is damaged, of another version or not there is as if never set."""
    state = read_json(file)
    if not isinstance(state, dict) or state.get("version") != _VERSION:
        return Saved()
    texts = {
        key: state[key]
        for key in ("path", "source", "names_text", "model")
        if isinstance(state.get(key), str)
    }
    try:
        prompts = PromptSet.from_dict(state.get("prompts") or {})
    except StudioError:
        prompts = PromptSet()
    llm_form = LlmForm.from_dict(state.get("llm_form", state.get("wish")))
    return Saved(
        **texts, labelled=bool(state.get("labelled")), prompts=prompts, llm_form=llm_form,
        follow_links=state.get("follow_links") is True,
    )  # fmt: skip
