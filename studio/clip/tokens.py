"""Sentences to tokens, as each model was trained on them, and never longer than it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.errors import ModelError
from studio.untrusted import Unreadable, load_object

TOKENIZER_FILE, SETTINGS_FILE = "tokenizer.json", "tokenizer_config.json"
_CLIP_LENGTH = 77


class Tokenizer:
    """Rows of `length` tokens: what is put before, the text, what is put behind, padding.

    A text that is longer is cut at a word, so that the model never reads half of one. A single
    word that is longer than all is cut where it has to be.
    """

    def __init__(
        self,
        body: Callable[[str], list[int]],
        *,
        length: int,
        before: Sequence[int] = (),
        behind: Sequence[int] = (),
        padding: int = 0,
        vocabulary: int | None = None,
    ) -> None:
        """body: a text's own tokens; vocabulary: how many the model knows."""
        self._body, self.length = body, length
        self._before, self._behind = list(before), list(behind)
        self._padding, self._vocabulary = padding, vocabulary
        self._room = length - len(self._before) - len(self._behind)

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        """(n, length) int64."""
        texts = [texts] if isinstance(texts, str) else list(texts)
        rows = torch.full((len(texts), self.length), self._padding, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            tokens = [*self._before, *self._shortened(text), *self._behind]
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        if self._vocabulary and len(texts) and int(rows.max()) >= self._vocabulary:
            raise ModelError(
                "The tokenizer does not belong to this model: it has tokens that the model lacks."
            )
        return rows

    def longer(self, texts: Sequence[str]) -> list[str]:
        """The texts that are longer than the model reads."""
        return [text for text in texts if len(self._body(text)) > self._room]

    def whole(self, text: str) -> tuple[int, ...]:
        """All tokens of a text by itself, however long."""
        return tuple(self._body(text))

    def _shortened(self, text: str) -> list[int]:
        tokens = self._body(text)
        if len(tokens) <= self._room:
            return tokens
        words = text.split()
        fits, too_long = 0, len(words)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if len(self._body(" ".join(words[:middle]))) <= self._room:
                fits = middle
            else:
                too_long = middle
        return self._body(" ".join(words[:fits])) if fits else tokens[: self._room]


def clip_tokenizer(text_cfg: Mapping[str, Any]) -> Tokenizer:
    """CLIP's own, of open_clip."""
    import open_clip

    length = text_cfg.get("context_length", _CLIP_LENGTH)
    options = text_cfg.get("tokenizer_kwargs") or {}
    clean = {"clean": options["clean"]} if "clean" in options else {}
    simple = open_clip.SimpleTokenizer(context_length=length, **clean)
    return Tokenizer(
        simple.encode,
        length=length,
        before=[simple.sot_token_id],
        behind=[simple.eot_token_id],
        vocabulary=text_cfg.get("vocab_size", 49408),
    )


def file_tokenizer(text_cfg: Mapping[str, Any], folder: Path) -> Tokenizer:
    """That of SigLIP and others, from tokenizer.json and tokenizer_config.json.

    It gives what the library transformers would, without it: cleaned text, special tokens as the
    two files say, padding at the end.

    Raises:
        ModelError: the library tokenizers is not installed, or the files are damaged.
    """
    tokenizers = tokenizers_library()
    from open_clip.tokenizer import get_clean_fn

    try:
        inner = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        settings = _settings(folder)
        padding = _padding(inner, settings)
    except Exception as error:  # the library raises Exception itself
        raise ModelError(f"The tokenizer in {folder} cannot be read ({error}).") from error
    inner.no_truncation()
    inner.no_padding()
    options = text_cfg.get("tokenizer_kwargs") or {}
    clean = get_clean_fn(options.get("clean", "whitespace"))
    before, behind = _special(inner, settings)
    if options.get("strip_sep_token"):  # the model was trained with a 0 in its place
        mark = _token(inner, settings, "sep_token") or inner.token_to_id("[SEP]")
        before, behind = ([0 if t == mark else t for t in part] for part in (before, behind))

    def body(text: str) -> list[int]:
        return list(inner.encode(clean(text), add_special_tokens=False).ids)

    return Tokenizer(
        body,
        length=text_cfg.get("context_length", _CLIP_LENGTH),
        before=before,
        behind=behind,
        padding=padding,
        vocabulary=text_cfg.get("vocab_size"),
    )


def tokenizers_library() -> Any:
    """The library tokenizers. Raises ModelError where it is not installed."""
    try:
        import tokenizers
    except ImportError:
        raise ModelError(
            "This model's texts need the library tokenizers; install it with: "
            "pip install tokenizers"
        ) from None
    return tokenizers


def _settings(folder: Path) -> dict[str, Any]:
    """Of tokenizer_config.json; a special token is its text, or an object that holds it."""
    file = folder / SETTINGS_FILE
    if not file.is_file():
        return {}
    try:
        settings = load_object(file)
    except Unreadable as error:
        raise ModelError(f"The tokenizer in {folder} is damaged: {error}.") from None
    return {
        key: value["content"] if isinstance(value, dict) and "content" in value else value
        for key, value in settings.items()
    }


def _token(inner: Any, settings: Mapping[str, Any], name: str) -> int | None:
    """The number of a special token; None: the settings name none, or one that is not there."""
    text = settings.get(name)  # "None" is a word like others in a large vocabulary
    return None if text is None else inner.token_to_id(str(text))


def _special(inner: Any, settings: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Tokens before and behind a text: tokenizer.json's, unless the settings are explicit."""
    whole = inner.encode("a", add_special_tokens=True).ids
    alone = inner.encode("a", add_special_tokens=False).ids
    starts = [i for i in range(len(whole)) if whole[i : i + len(alone)] == alone]
    start = starts[0] if starts else 0
    before, behind = whole[:start], whole[start + len(alone) :]
    for part, name, end in ((before, "bos", 0), (behind, "eos", -1)):
        mark = _token(inner, settings, f"{name}_token")
        wanted = settings.get(f"add_{name}_token")
        if mark is None or wanted is None or (mark in part) == wanted:
            continue
        if wanted:
            part.insert(0 if end == 0 else len(part), mark)
        else:
            part.remove(mark)
    return before, behind


def _padding(inner: Any, settings: Mapping[str, Any]) -> int:
    named = _token(inner, settings, "pad_token")
    if named is not None:
        return named
    own = inner.padding  # None unless tokenizer.json has it
    return int(own["pad_id"]) if own else 0
