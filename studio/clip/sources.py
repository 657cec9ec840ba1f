"""Where a model comes from: the five forms of its name, each to the same few facts.

A preset (`embedded` also as embedded@PIXELS); ARCHITECTURE:TAG of open_clip's list;
hf-hub:OWNER/NAME[@REVISION]; a folder; and, for weights in a file, ARCHITECTURE=FILE.safetensors or
ARCHITECTURE:TAG=FILE.safetensors. Whatever speaks against a model is found before its weights are
fetched.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.clip.config import Preprocess, checked_config, preprocess_of, read_config
from studio.clip.hub import Hub
from studio.clip.hub_weights import cached_weights, fetch_weights, weights_name
from studio.clip.listed import (
    CONFIG_FILE,
    architecture_config,
    feed_of_file,
    listed_feed,
    place_of,
    template_of,
)
from studio.clip.presets import SIMPLE, Preset, is_embedded, preset, presets
from studio.clip.tokenizer_files import (
    folder_tokenizer,
    hub_tokenizer,
    tokenizer_in,
    tokenizer_is_here,
)
from studio.clip.tokens import TOKENIZER_FILE, Tokenizer
from studio.clip.weights import weights_file
from studio.errors import ModelError
from studio.files import read_json
from studio.places import ASSETS
from studio.progress import Begin, Stop

EMBEDDED = "embedded"
EMBEDDED_SIDES = range(64, 513, 32)
"""Pixels a side at which the embedded model may be asked for: its tower halves them five times."""
EMBEDDED_FOLDER = ASSETS / "embedded"
HUB_PREFIX = "hf-hub:"


_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Source:
    """A model that can be had.

    config: open_clip's model_cfg, checked; tokenizer, weights: fetched, if need be, when called;
    weights: a file or a folder; here: whether both are on this machine; template, center: see
    `studio.clip.backbone.Backbone`.
    """

    config: dict[str, Any]
    preprocess: Preprocess
    tokenizer: Callable[[], Tokenizer]
    weights: Callable[[], Path]
    here: Callable[[], bool]
    template: str = SIMPLE
    center: bool = False


def find_source(name: str, *, begin: Begin | None = None, stop: Stop | None = None) -> Source:
    """The source of a model by any form of its name; begin and stop are for what is fetched.

    Raises:
        ModelError: unknown, ambiguous, or a model that the studio cannot work with.
    """
    if len(name) > _LONGEST_NAME:
        raise ModelError(f"There is no model of that name ({name[:40]}...).")
    listed = preset(name)
    before, equals, file = name.partition("=")
    architecture, colon, tag = before.partition(":")
    if is_embedded(name):
        return _embedded(name)
    if listed is not None:
        return _listed(listed.architecture, listed.tag, begin=begin, stop=stop)
    if name.startswith(HUB_PREFIX):
        return _repository(Hub(name.removeprefix(HUB_PREFIX), begin=begin, stop=stop))
    if (folder := _folder_of(name)) is not None:
        return _folder(folder)
    if equals:
        return _file(architecture, tag, file, begin=begin, stop=stop)
    if colon:
        return _listed(architecture, tag, begin=begin, stop=stop)
    raise ModelError(
        f"There is no model {name!r}. Choose one of {', '.join(presets())}; or give "
        "ARCHITECTURE:TAG of open_clip, hf-hub:OWNER/NAME, a folder with open_clip_config.json and "
        "safetensors, or ARCHITECTURE=FILE.safetensors."
    )


def check_name(name: str) -> None:
    """Raise where no model can be had by that name, as far as that shows on this machine.

    Nothing is fetched: of a repository of the hub only its own server can say whether it is there.

    Raises:
        ModelError: As of `find_source`.
    """
    if name.startswith(HUB_PREFIX):
        Hub(name.removeprefix(HUB_PREFIX))
    else:
        find_source(name)


def fetch(name: str, *, begin: Begin | None = None, stop: Stop | None = None) -> None:
    """Fetch what a model needs of the hub, and nothing more; args and errors: of `find_source`."""
    source = find_source(name, begin=begin, stop=stop)
    source.tokenizer()
    source.weights()


def _embedded(name: str) -> Source:
    """The embedded model, also at another size: its tower, all convolutions, takes any."""
    _, at, side = name.partition("@")
    source = _folder(EMBEDDED_FOLDER)
    if not at:
        return source
    if not (side.isascii() and side.isdigit() and int(side) in EMBEDDED_SIDES):
        raise ModelError(
            f"{name!r} is no size that the embedded model takes; give a multiple of "
            f"{EMBEDDED_SIDES.step} pixels from {EMBEDDED_SIDES[0]} to {EMBEDDED_SIDES[-1]}, such "
            f"as {EMBEDDED}@128."
        )
    source.config["vision_cfg"]["image_size"] = int(side)
    return replace(source, preprocess=replace(source.preprocess, size=int(side)))


def at_hand(chosen: Preset) -> bool:
    """Whether a listed model is on this machine, weights and tokenizer."""
    return not chosen.architecture or is_here(f"{chosen.architecture}:{chosen.tag}")


def models_at_hand() -> list[str]:
    """Names of the listed models that are on this machine, the embedded one first."""
    return [name for name in presets() if is_here(name)]


def is_here(name: str) -> bool:
    """Whether a model is on this machine, weights and tokenizer, by any form of its name; False for
    what is no name. Nobody is asked about it.
    """
    try:
        hub = Hub(name.removeprefix(HUB_PREFIX)) if name.startswith(HUB_PREFIX) else None
        if hub is not None and hub.cached(CONFIG_FILE) is None:
            return False
        return find_source(name).here()
    except ModelError:
        return False


def _listed(architecture: str, tag: str, *, begin: Begin | None, stop: Stop | None) -> Source:
    """Architecture and tag of open_clip's own list."""
    config, feed = architecture_config(architecture), listed_feed(architecture, tag)
    if "quick_gelu" in feed:  # the weights know; open_clip only warns
        config["quick_gelu"] = feed["quick_gelu"]
    name = f"{architecture}:{tag}"
    config = checked_config(config, name=name)
    repo, wanted = place_of(feed)
    hub = Hub(repo, begin=begin, stop=stop)

    return Source(
        config,
        preprocess_of(config, feed, name=name),
        lambda: hub_tokenizer(config, begin=begin, stop=stop),
        lambda: fetch_weights(hub, wanted=wanted),
        lambda: cached_weights(hub, wanted=wanted) is not None and tokenizer_is_here(config),
        template_of(architecture, tag),
    )


def _repository(hub: Hub) -> Source:
    """A repository with a configuration of its own."""
    found, names = hub.cached(CONFIG_FILE), None
    if found is None:
        names = hub.files()
        if CONFIG_FILE not in names:
            raise ModelError(
                f"{hub.name} has no {CONFIG_FILE}, so it is no model of open_clip; choose another."
            )
        found = hub.get(CONFIG_FILE)
    config, given = read_config(found, source=hub.repo)
    if names is not None:
        weights_name(names, repo=hub.name)  # said before anything else is fetched
    return Source(
        config,
        preprocess_of(config, given, name=hub.repo),
        lambda: hub_tokenizer(config, begin=hub.begin, stop=hub.stop, own=hub),
        lambda: fetch_weights(hub, names=names),
        lambda: cached_weights(hub) is not None and tokenizer_is_here(config, own=hub),
        template_of(hub.repo, ""),
    )


def _folder_of(name: str) -> Path | None:
    """The folder of that name, if there is one; what cannot be a name is none."""
    path = os.path.expanduser(name)
    return Path(path) if os.path.isdir(path) else None


def _folder(folder: Path) -> Source:
    """A folder as open_clip saves models; nothing is fetched for it."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(f"{folder} has no {CONFIG_FILE}; give a folder as open_clip saves it.")
    config, given = read_config(file, source=str(folder))
    extra = read_json(folder / "studio.json")
    extra = extra if isinstance(extra, dict) else {}
    return Source(
        config,
        preprocess_of(config, given, name=str(folder)),
        lambda: folder_tokenizer(config, folder),
        lambda: folder,
        lambda: any(folder.glob("*.safetensors")) and tokenizer_in(config, folder),
        str(extra.get("template", SIMPLE)),
        bool(extra.get("center", False)),
    )


def _file(
    architecture: str, tag: str, name: str, *, begin: Begin | None, stop: Stop | None
) -> Source:
    """Weights in one file, of an architecture of open_clip's list."""
    config, file = architecture_config(architecture), weights_file(name)
    feed = listed_feed(architecture, tag) if tag else feed_of_file(architecture, config, file)
    if "quick_gelu" in feed:
        config["quick_gelu"] = feed["quick_gelu"]
    config = checked_config(config, name=architecture)

    beside = (file.parent / TOKENIZER_FILE).is_file()

    def tokenizer() -> Tokenizer:
        if beside:
            return folder_tokenizer(config, file.parent)
        return hub_tokenizer(config, begin=begin, stop=stop)

    return Source(
        config,
        preprocess_of(config, feed, name=architecture),
        tokenizer,
        lambda: file,
        lambda: tokenizer_in(config, file.parent) if beside else tokenizer_is_here(config),
        template_of(architecture, tag),
    )
