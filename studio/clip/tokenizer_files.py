"""Where the files of a model's tokenizer are: on the hub, in its cache, or in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.clip.hub import Hub
from studio.clip.tokens import (
    SETTINGS_FILE,
    TOKENIZER_FILE,
    Tokenizer,
    clip_tokenizer,
    file_tokenizer,
    tokenizers_library,
)
from studio.errors import ModelError
from studio.progress import Begin, Stop


def folder_tokenizer(config: Mapping[str, Any], folder: Path) -> Tokenizer:
    """That of a model in a folder, for which nothing is fetched.

    Raises:
        ModelError: a file is missing or damaged, or the library tokenizers is.
    """
    text = config["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return clip_tokenizer(text)
    for file in (TOKENIZER_FILE, SETTINGS_FILE):  # the second names what stands behind a text
        if not (folder / file).is_file():
            raise ModelError(
                f"{folder} needs the {file} of {text['hf_tokenizer_name']}, which is not fetched "
                "for a folder; put it there."
            )
    return file_tokenizer(text, folder)


def tokenizer_in(config: Mapping[str, Any], folder: Path) -> bool:
    """Whether a folder has what `folder_tokenizer` needs."""
    return not config["text_cfg"].get("hf_tokenizer_name") or all(
        (folder / file).is_file() for file in (TOKENIZER_FILE, SETTINGS_FILE)
    )


def hub_tokenizer(
    config: Mapping[str, Any], *, begin: Begin | None, stop: Stop | None, own: Hub | None = None
) -> Tokenizer:
    """That of a model of the hub, fetched unless it is on this machine.

    own: the model's repository, where it may be as well.

    Raises:
        ModelError: there is none, the library tokenizers is not installed, or why it could not be
            fetched.
    """
    text = config["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return clip_tokenizer(text)
    tokenizers_library()  # said before anything is fetched
    hubs = _hubs(text, own, begin=begin, stop=stop)
    for hub in hubs:  # all of them before anybody is asked, who may be out of reach
        if (found := _cached(hub)) is not None:
            return file_tokenizer(text, found)
    for hub in hubs:
        names = hub.files()
        if TOKENIZER_FILE in names:
            if SETTINGS_FILE in names:
                hub.get(SETTINGS_FILE)
            found = hub.get(TOKENIZER_FILE).parent
            if SETTINGS_FILE not in names:
                hub.remember_missing(SETTINGS_FILE, commit=found.name)
            return file_tokenizer(text, found)
    raise ModelError(f"{hubs[-1].repo} has no {TOKENIZER_FILE}; choose another model.")


def tokenizer_is_here(config: Mapping[str, Any], *, own: Hub | None = None) -> bool:
    """Whether `hub_tokenizer` has nothing to fetch; nobody is asked."""
    text = config["text_cfg"]
    return not text.get("hf_tokenizer_name") or any(
        _cached(hub) is not None for hub in _hubs(text, own)
    )


def _hubs(
    text: Mapping[str, Any],
    own: Hub | None,
    *,
    begin: Begin | None = None,
    stop: Stop | None = None,
) -> list[Hub]:
    """Where the tokenizer may be, the likeliest first."""
    named = Hub(_repository_of(text["hf_tokenizer_name"]), begin=begin, stop=stop)
    if own is None:
        return [named]
    return [own] if own.repo == named.repo else [own, named]


def _cached(hub: Hub) -> Path | None:
    """The folder with the tokenizer, if all of it is on this machine.

    Other programs keep tokenizer.json alone there; without its settings texts would be read with
    other marks before and behind than the model was trained on.
    """
    found = hub.cached(TOKENIZER_FILE)
    if found is None:
        return None
    whole = (found.parent / SETTINGS_FILE).is_file() or hub.known_missing(SETTINGS_FILE)
    return found.parent if whole else None


def _repository_of(tokenizer: str) -> str:
    """Where a tokenizer is that open_clip calls as it was called before the hub had owners."""
    return {"bert-base-uncased": "google-bert/bert-base-uncased"}.get(tokenizer, tokenizer)
