"""What open_clip's own list says of architectures and weights; nothing is fetched for it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from studio.clip.config import checked_config, read_config
from studio.clip.presets import PRESETS, SIMPLE
from studio.errors import ModelError

CONFIG_FILE = "open_clip_config.json"
_SIGLIP = "This is a photo of {}."
_FEED = ("mean", "std", "interpolation", "resize_mode")


def feed_of_file(architecture: str, config: dict[str, Any], file: Path) -> dict[str, Any]:
    """What weights of this architecture were trained on, where a file alone does not say.

    From the configuration beside the file, or from open_clip's list where all its weights of this
    architecture agree, activation included.

    Raises:
        ModelError: they do not agree; or what `read_config` raises.
    """
    import open_clip

    beside = file.parent / CONFIG_FILE
    if beside.is_file():
        own, given = read_config(beside, source=str(file.parent))
        if own["vision_cfg"] == checked_config(config, name=architecture)["vision_cfg"]:
            return {**given, "quick_gelu": bool(own.get("quick_gelu", False))}
    twin = architecture.endswith("-quickgelu")
    kinds: dict[tuple[Any, ...], str] = {}
    for tag in open_clip.list_pretrained_tags_by_model(architecture):
        feed = listed_feed(architecture, tag)
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


def architecture_config(name: str) -> dict[str, Any]:
    """open_clip's model_cfg of an architecture. Raises ModelError: it has none of this name."""
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


def listed_feed(architecture: str, tag: str) -> dict[str, Any]:
    """What open_clip's list says of these weights: where they are, and what they are fed.

    Raises:
        ModelError: it has none of this tag.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    feed: dict[str, Any] = get_pretrained_cfg(architecture, tag)
    if not feed:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        has = f"its tags are {', '.join(tags)}" if tags else "it has none"
        raise ModelError(f"open_clip knows no weights {tag!r} of {architecture}; {has}.")
    return feed


def place_of(feed: dict[str, Any]) -> tuple[str, str]:
    """Repository and, where open_clip names one, file of listed weights (`listed_feed`).

    Raises:
        ModelError: they are somewhere else.
    """
    owner, _, rest = str(feed.get("hf_hub") or "").partition("/")
    repo, _, file = rest.partition("/")
    if not repo:
        raise ModelError("These weights are not on the Hugging Face hub; choose others.")
    return f"{owner}/{repo}", file


def template_of(architecture: str, tag: str) -> str:
    """The sentence that a model was made with, as far as its name tells."""
    for listed in PRESETS.values():
        if (listed.architecture, listed.tag) == (architecture, tag):
            return listed.template
    return _SIGLIP if "siglip" in architecture.lower() else SIMPLE
