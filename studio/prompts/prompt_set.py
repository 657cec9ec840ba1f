"""What the text tower reads about each class: templates for all of them, sentences for single ones.

The vector of a class is made of `PromptSet.texts`: every template with the name put in, and the
class's own sentences, which together weigh as much as the templates. Without a template the model's
own is used, which is what it was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.errors import PromptError
from studio.images.names import Matcher, canonical, same
from studio.numbers import plural
from studio.prompts.templates import sentences as fill

FORMAT = 1
PLACE = "{}"
MAX_TEMPLATES = 40
MAX_SENTENCES = 40  # of one class
MAX_LENGTH = 300  # characters of a sentence; text towers read 40 to 80 tokens
MAX_BYTES = 16 << 20
_FAULTS_TOLD = 4


@dataclass(frozen=True)
class PromptSet:
    """Prompts of a data set.

    Attributes:
        templates: Each with {} in the place of the class name; empty: the model's own.
        sentences: Class name -> finished sentences about this class, besides the templates. Names
            find their class as everywhere (`names.Matcher`).
    """

    templates: tuple[str, ...] = ()
    sentences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_default(self) -> bool:
        """Whether there is nothing but the model's own template."""
        return not self.templates and not self.sentences

    def of(self, class_name: str) -> tuple[str, ...]:
        """The sentences of one class; () when it has none."""
        return self._by_class([class_name]).get(class_name, ())

    def _by_class(self, class_names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The sentences of each class that has any; those under its very name come first."""
        matcher, own = Matcher(class_names), {}
        for name, texts in self.sentences.items():
            at = matcher.find(name)
            if at is not None and (class_names[at] not in own or name == class_names[at]):
                own[class_names[at]] = texts
        return own

    def texts(
        self, class_names: Sequence[str], templates: Sequence[str] = ()
    ) -> list[list[list[str]]]:
        """What is read about each of the C classes, in their order, as `TextTower` takes it.

        That is a group of filled templates, and one of the class's own sentences where it has any.

        Args:
            class_names: The C names; underscores become spaces [DeFT].
            templates: Used when the set has none of its own; one of both has to be there.
        """
        own = {name: list(texts) for name, texts in self._by_class(class_names).items()}
        used = self.templates or tuple(templates)
        filled = [list(fill(name.replace("_", " "), used)) for name in class_names]
        return [
            [group, own[name]] if own.get(name) else [group]
            for name, group in zip(class_names, filled, strict=True)
        ]

    def with_sentences(self, class_name: str, sentences: Iterable[str]) -> PromptSet:
        """The same set with other sentences for one class; none takes them away."""
        old = class_name if class_name in self.sentences else self._spelled(class_name)
        kept = {name: own for name, own in self.sentences.items() if name != old}
        new = tuple(sentences)
        return PromptSet(self.templates, {**kept, class_name: new} if new else kept)

    def _spelled(self, class_name: str) -> str | None:
        """The name under which a class has its sentences, where it is spelled otherwise."""
        names = list(self.sentences)
        at = Matcher(names).find(class_name)
        if at is None:
            return None
        found, wanted = same(names[at]), same(class_name)
        # `A` and `a` are two classes; `hot_air` and `hot air` are one.
        return None if found != wanted and found.casefold() == wanted.casefold() else names[at]

    def with_templates(self, templates: Iterable[str]) -> PromptSet:
        """The same set with other templates; none: the model's own."""
        return PromptSet(tuple(templates), self.sentences)

    def merged(self, new: PromptSet) -> PromptSet:
        """New sentences in the place of a class's old ones; new templates after the old ones."""
        templates = tuple(dict.fromkeys((*self.templates, *new.templates)))[:MAX_TEMPLATES]
        found = self.with_templates(templates)
        for name, texts in new.sentences.items():
            found = found.with_sentences(name, texts)
        return found

    def adding(self, new: PromptSet) -> PromptSet:
        """New sentences after a class's old ones; templates stay as they are."""
        found = self
        for name, texts in new.sentences.items():
            both = dict.fromkeys((*self.of(name), *texts))
            found = found.with_sentences(name, tuple(both)[:MAX_SENTENCES])
        return found

    def only(self, class_names: Sequence[str]) -> PromptSet:
        """The same set without sentences of classes that are not among the names."""
        found = self._by_class(class_names)
        own = {name: found.get(name, ()) for name in class_names}
        return PromptSet(self.templates, {name: texts for name, texts in own.items() if texts})

    def strangers(self, class_names: Sequence[str]) -> list[str]:
        """Classes that have sentences here and are not among the names."""
        matcher = Matcher(class_names)
        return [name for name in self.sentences if matcher.find(name) is None]

    def summary(self) -> str:
        """In a few words: `the model's own template`, `3 templates and 40 sentences`."""
        own = sum(map(len, self.sentences.values()))
        head = plural(len(self.templates), "template")
        head = head if self.templates else "the model's own template"
        return f"{head} and {plural(own, 'sentence')}" if own else head

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads and JSON can hold."""
        return {
            "format": FORMAT,
            "templates": list(self.templates),
            "sentences": {name: list(texts) for name, texts in self.sentences.items()},
        }

    def to_json(self) -> str:
        """The text of a prompts file, one sentence a line."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_dict(cls, value: object) -> PromptSet:
        """Prompts from what JSON held; a plain {class name: [sentences]} is taken as well.

        Raises:
            PromptError: It is something else, or sentences cannot be used; all faults at once.
        """
        if not isinstance(value, Mapping):
            raise PromptError(f"That is no set of prompts: {_EXPECTED}.")
        if "format" not in value and "templates" not in value and "sentences" not in value:
            value = {"sentences": value}
        if value.get("format", FORMAT) != FORMAT:
            raise PromptError(
                f"These prompts have the format {value['format']!r}; this version reads {FORMAT}."
            )
        templates, own = value.get("templates") or [], value.get("sentences") or {}
        if not _is_texts(templates) or not isinstance(own, Mapping):
            raise PromptError(f"That is no set of prompts: {_EXPECTED}.")
        faults: list[str] = []
        made: dict[str, tuple[str, ...]] = {}
        for name, texts in own.items():
            label = tidy(str(name))
            if not canonical(label) or len(label) > MAX_LENGTH:
                faults.append(f"“{label[:30]}” is no class name")
            elif not _is_texts(texts):
                faults.append(f"the sentences of {label} are not a list of texts")
            else:
                taken, wrong = check_sentences(texts, where=label)
                faults += wrong
                made.update({label: taken} if taken else {})
        taken, wrong = check_templates(templates)
        if faults or wrong:
            raise PromptError(_together(wrong + faults))
        return cls(taken, made)

    @classmethod
    def load(cls, path: Path) -> PromptSet:
        """Prompts from a JSON file.

        Raises:
            PromptError: It cannot be read, or see `from_dict`.
        """
        try:
            with path.open(encoding="utf-8-sig") as file:
                text = file.read(MAX_BYTES + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(
                f"Cannot read the prompts in {path}: {getattr(error, 'strerror', 'no UTF-8 text')}."
            ) from None
        if len(text) > MAX_BYTES:
            raise PromptError(f"{path} is too large for a set of prompts.")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise PromptError(f"{path} holds no JSON; {_EXPECTED}.") from None
        return cls.from_dict(value)


_EXPECTED = 'it should hold {"templates": [...], "sentences": {class name: [...]}}'


def tidy(text: str) -> str:
    """One line without control characters or blanks at its ends."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def check_templates(lines: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Usable templates without repeats, and what is wrong with the others, a line each."""
    good, faults = _check(lines, "templates", MAX_TEMPLATES)
    for text in good:
        if PLACE not in text:
            faults.append(f"the template “{_short(text)}” has no {PLACE} for the class name")
    return tuple(text for text in good if PLACE in text), faults


def check_sentences(lines: Iterable[str], *, where: str) -> tuple[tuple[str, ...], list[str]]:
    """Usable sentences without repeats, and what is wrong with the others, a line each.

    where: the class, for the lines.
    """
    good, faults = _check(lines, f"sentences for {where}", MAX_SENTENCES)
    return tuple(good), faults


def parse_templates(text: str) -> tuple[str, ...]:
    """Templates from typed text, one a line. Raises PromptError with all faults at once."""
    good, faults = check_templates(text.splitlines())
    if faults:
        raise PromptError(_together(faults))
    return good


def parse_sentences(text: str, *, where: str) -> tuple[str, ...]:
    """Sentences of class `where` from typed text, one a line. Raises PromptError."""
    good, faults = check_sentences(text.splitlines(), where=where)
    if faults:
        raise PromptError(_together(faults))
    return good


def _check(lines: Iterable[str], what: str, most: int) -> tuple[list[str], list[str]]:
    tidied = list(dict.fromkeys(text for line in lines if (text := tidy(line))))
    faults = [
        f"“{_short(text)}” is longer than {MAX_LENGTH} characters"
        for text in tidied
        if len(text) > MAX_LENGTH
    ]
    good = [text for text in tidied if len(text) <= MAX_LENGTH]
    if len(good) > most:
        faults.append(f"there are {len(good)} {what}, at most {most} are used")
    return good[:most], faults


def _together(faults: Sequence[str]) -> str:
    more = len(faults) - _FAULTS_TOLD
    text = "; ".join(faults[:_FAULTS_TOLD]) + (f"; and {more} more" if more > 0 else "")
    return f"{text[:1].upper()}{text[1:]}."


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _is_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
