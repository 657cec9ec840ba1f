"""Where a model comes from: the five forms of its name, each to the same few facts.

A preset; ARCHITECTURE:TAG of open_clip's list; hf-hub:OWNER/NAME; a folder; and, for weights in a
file, ARCHITECTURE=FILE.safetensors or ARCHITECTURE:TAG=FILE.safetensors. Whatever speaks against a
model is found before its weights are fetched.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.clip.config import Preprocess, checked_config, preprocess_of, read_config
from studio.clip.hub import Hub, weights_name, weights_names
from studio.clip.presets import PRESETS, SIMPLE, Preset, preset, presets
from studio.clip.tokens import (
    SETTINGS_FILE,
    TOKENIZER_FILE,
    Tokenizer,
    clip_tokenizer,
    file_tokenizer,
    tokenizers_library,
)
from studio.errors import ModelError
from studio.files import read_json
from studio.places import ASSETS
from studio.progress import Begin, Stop
from studio.untrusted import Unreadable, read_file

EMBEDDED_FOLDER = ASSETS / "embedded"
CONFIG_FILE = "open_clip_config.json"
HUB_PREFIX = "hf-hub:"
_SIGLIP = "This is a photo of {}."
_FEED = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Source:
    """A model that can be had.

    config: open_clip's model_cfg, checked; tokenizer, weights: fetched, if need be, when called;
    weights: a file or a folder; template, center: see `studio.clip.backbone.Backbone`.
    """

    config: dict[str, Any]
    preprocess: Preprocess
    tokenizer: Callable[[], Tokenizer]
    weights: Callable[[], Path]
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
    if name == "embedded":
        return _folder(EMBEDDED_FOLDER)
    if listed is not None:
        return _listed(listed.architecture, listed.tag, begin=begin, stop=stop)
    if name.startswith(HUB_PREFIX):
        return _repository(Hub(name.removeprefix(HUB_PREFIX), begin=begin, stop=stop))
    if Path(name).expanduser().is_dir():
        return _folder(Path(name).expanduser())
    if equals:
        return _file(architecture, tag, Path(file).expanduser(), begin=begin, stop=stop)
    if colon:
        return _listed(architecture, tag, begin=begin, stop=stop)
    raise ModelError(
        f"There is no model {name!r}. Choose one of {', '.join(presets())}; or give "
        "ARCHITECTURE:TAG of open_clip, hf-hub:OWNER/NAME, a folder with open_clip_config.json and "
        "safetensors, or ARCHITECTURE=FILE.safetensors."
    )


def fetch(name: str, *, begin: Begin | None = None, stop: Stop | None = None) -> None:
    """Fetch what a model needs of the hub, and nothing more; args and errors: of `find_source`."""
    source = find_source(name, begin=begin, stop=stop)
    source.tokenizer()
    source.weights()


def at_hand(chosen: Preset) -> bool:
    """Whether a listed model is on this machine, weights and tokenizer."""
    if not chosen.architecture:
        return True
    config = _architecture(chosen.architecture)
    repo, wanted = _place(_tag(chosen.architecture, chosen.tag))
    tokenizer = config["text_cfg"].get("hf_tokenizer_name")
    return Hub(repo).cached(*weights_names(wanted)) is not None and (
        not tokenizer or Hub(tokenizer).cached(TOKENIZER_FILE) is not None
    )


def _listed(architecture: str, tag: str, *, begin: Begin | None, stop: Stop | None) -> Source:
    """Architecture and tag of open_clip's own list."""
    config, feed = _architecture(architecture), _tag(architecture, tag)
    if "quick_gelu" in feed:  # the weights know; open_clip only warns
        config["quick_gelu"] = feed["quick_gelu"]
    name = f"{architecture}:{tag}"
    config = checked_config(config, name=name)
    repo, wanted = _place(feed)
    hub = Hub(repo, begin=begin, stop=stop)

    def weights() -> Path:
        found = hub.cached(*weights_names(wanted))
        return found or hub.get(weights_name(hub.files(), repo=repo, wanted=wanted))

    return Source(
        config,
        preprocess_of(config, feed, name=name),
        lambda: _hub_tokenizer(config, begin=begin, stop=stop),
        weights,
        _template(architecture, tag),
    )


def _repository(hub: Hub) -> Source:
    """A repository with a configuration of its own."""
    found, names = hub.cached(CONFIG_FILE), None
    if found is None:
        names = hub.files()
        if CONFIG_FILE not in names:
            raise ModelError(
                f"{hub.repo} has no {CONFIG_FILE}, so it is no model of open_clip; choose another."
            )
        found = hub.get(CONFIG_FILE)
    config, given = read_config(found.read_text(encoding="utf-8"), source=hub.repo)
    if names is not None:
        weights_name(names, repo=hub.repo)  # said before anything else is fetched

    def weights() -> Path:
        here = hub.cached(*weights_names())
        return here or hub.get(weights_name(names or hub.files(), repo=hub.repo))

    return Source(
        config,
        preprocess_of(config, given, name=hub.repo),
        lambda: _hub_tokenizer(config, begin=hub.begin, stop=hub.stop, own=hub),
        weights,
        _template(hub.repo, ""),
    )


def _text(file: Path, folder: Path) -> str:
    try:
        return read_file(file, most=_MOST_CONFIG).decode("utf-8", "replace")
    except Unreadable as error:
        raise ModelError(f"The model in {folder} is damaged: {error}.") from None


_LONGEST_NAME = 1000
_MOST_CONFIG = 10 << 20  # bytes


def _folder(folder: Path) -> Source:
    """A folder as open_clip saves models; nothing is fetched for it."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(f"{folder} has no {CONFIG_FILE}; give a folder as open_clip saves it.")
    config, given = read_config(_text(file, folder), source=str(folder))
    extra = read_json(folder / "studio.json")
    extra = extra if isinstance(extra, dict) else {}
    return Source(
        config,
        preprocess_of(config, given, name=str(folder)),
        lambda: _folder_tokenizer(config, folder),
        lambda: folder,
        str(extra.get("template", SIMPLE)),
        bool(extra.get("center", False)),
    )


def _file(
    architecture: str, tag: str, file: Path, *, begin: Begin | None, stop: Stop | None
) -> Source:
    """Weights in one file, of an architecture of open_clip's list."""
    config = _architecture(architecture)
    if file.suffix != ".safetensors":
        raise ModelError(
            f"{file.name} is not a .safetensors file; other formats can run code when opened."
        )
    if not file.is_file():
        raise ModelError(f"There is no file {file}.")
    feed = _tag(architecture, tag) if tag else _fed(architecture, config, file)
    if "quick_gelu" in feed:
        config["quick_gelu"] = feed["quick_gelu"]
    config = checked_config(config, name=architecture)

    def tokenizer() -> Tokenizer:
        if (file.parent / TOKENIZER_FILE).is_file():
            return _folder_tokenizer(config, file.parent)
        return _hub_tokenizer(config, begin=begin, stop=stop)

    return Source(
        config,
        preprocess_of(config, feed, name=architecture),
        tokenizer,
        lambda: file,
        _template(architecture, tag),
    )


def _fed(architecture: str, config: dict[str, Any], file: Path) -> dict[str, Any]:
    """What weights of this architecture were trained on, where a file alone does not say.

    From the configuration beside the file, or from open_clip's list where all its weights of this
    architecture agree, activation included.
    """
    import open_clip

    beside = file.parent / CONFIG_FILE
    if beside.is_file():
        own, given = read_config(beside.read_text(encoding="utf-8"), source=str(file.parent))
        if own["vision_cfg"] == checked_config(config, name=architecture)["vision_cfg"]:
            return {**given, "quick_gelu": bool(own.get("quick_gelu", False))}
    twin = architecture.endswith("-quickgelu")
    kinds: dict[tuple[Any, ...], str] = {}
    for tag in open_clip.list_pretrained_tags_by_model(architecture):
        feed = _tag(architecture, tag)
        quick = True if twin else bool(feed.get("quick_gelu", False))
        kinds.setdefault((quick, *(feed[key] for key in _FEED)), tag)
    if not twin and f"{architecture}-quickgelu" in open_clip.list_models():
        # The plain name may as well mean weights of one's own, trained with the plain activation.
        for kind in list(kinds):
            kinds.setdefault((False, *kind[1:]), "")
    if len(kinds) > 1:
        named = " or ".join(f"{architecture}:{tag}={file.name}" for tag in kinds.values() if tag)
        raise ModelError(
            f"Weights of {architecture} differ in activation or preprocessing, and a file does not "
            f"tell which it needs. Name the weights that yours come from, such as {named}; for "
            f"weights of your own put their {CONFIG_FILE} beside the file."
        )
    for (quick, *values), _tag_name in kinds.items():
        return {"quick_gelu": quick, **dict(zip(_FEED, values, strict=True))}
    return {}


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    config: dict[str, Any] | None = None
    if ":" not in name:  # open_clip would take hf-hub:... and local-dir:... here
        config = open_clip.get_model_config(name)
    if config is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), 3)
        hint = f" (did you mean {', '.join(near)}?)" if near else ""
        raise ModelError(
            f"open_clip knows no architecture {name!r}{hint}; `python -m studio models` lists "
            "models that are worth trying."
        )
    return config


def _tag(architecture: str, tag: str) -> dict[str, Any]:
    """What open_clip's list says of these weights: where they are, and what they are fed."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    feed: dict[str, Any] = get_pretrained_cfg(architecture, tag)
    if not feed:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        has = f"its tags are {', '.join(tags)}" if tags else "it has none"
        raise ModelError(f"open_clip knows no weights {tag!r} of {architecture}; {has}.")
    return feed


def _place(feed: dict[str, Any]) -> tuple[str, str]:
    """Repository and, where open_clip names one, file of listed weights."""
    owner, _, rest = str(feed.get("hf_hub") or "").partition("/")
    repo, _, file = rest.partition("/")
    if not repo:
        raise ModelError("These weights are not on the Hugging Face hub; choose others.")
    return f"{owner}/{repo}", file


def _template(architecture: str, tag: str) -> str:
    for listed in PRESETS.values():
        if (listed.architecture, listed.tag) == (architecture, tag):
            return listed.template
    return _SIGLIP if "siglip" in architecture.lower() else SIMPLE


def _folder_tokenizer(config: dict[str, Any], folder: Path) -> Tokenizer:
    text = config["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return clip_tokenizer(text)
    if not (folder / TOKENIZER_FILE).is_file():
        raise ModelError(
            f"{folder} needs the {TOKENIZER_FILE} of {text['hf_tokenizer_name']}, which is not "
            f"fetched for a folder; put it and {SETTINGS_FILE} there."
        )
    return file_tokenizer(text, folder)


def _hub_tokenizer(
    config: dict[str, Any], *, begin: Begin | None, stop: Stop | None, own: Hub | None = None
) -> Tokenizer:
    text = config["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return clip_tokenizer(text)
    tokenizers_library()  # said before anything is fetched
    hub = Hub(text["hf_tokenizer_name"], begin=begin, stop=stop)
    if own is not None and own.repo != hub.repo and TOKENIZER_FILE in own.files():
        hub = own
    found = hub.cached(TOKENIZER_FILE)
    if found is None:
        names = hub.files()
        if TOKENIZER_FILE not in names:
            raise ModelError(f"{hub.repo} has no {TOKENIZER_FILE}; choose another model.")
        if SETTINGS_FILE in names:
            hub.get(SETTINGS_FILE)
        found = hub.get(TOKENIZER_FILE)
    return file_tokenizer(text, found.parent)
