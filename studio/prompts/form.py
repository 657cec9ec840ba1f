"""What a user typed for a language model; everything but the key, which is kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from studio.errors import PromptError
from studio.prompts.ask import MAX_DESCRIPTION, Ask
from studio.prompts.endpoint import address
from studio.prompts.prompt_set import MAX_SENTENCES, PromptSet

_SHORT = 300
NOT_LABELLED = (
    "Which classes are mixed up is not known yet, because these images have no labels with these "
    "names and prompts: press “Label now” first."
)
NOT_CONFUSED = (
    "No two classes are mixed up, as far as the labels can tell: there is nothing to ask."
)


@dataclass(frozen=True)
class LlmForm:
    """description: the user's words about the set; model, base_url: as typed, empty = from the
    environment; sentences: per class; templates: for all; again: also for classes that have some;
    apart: only what tells the classes apart that the labels mix up.
    """

    description: str = ""
    model: str = ""
    base_url: str = ""
    sentences: int = 4
    templates: int = 0
    again: bool = False
    apart: bool = False

    def ask(
        self,
        class_names: list[str],
        prompts: PromptSet,
        pairs: Sequence[tuple[str, str]] | None = None,
    ) -> Ask:
        """The form put to these classes. pairs: those that are mixed up, for `apart`; None where
        nothing is labelled.

        Raises:
            PromptError: none are, and that is what is asked about.
        """
        if self.apart:
            if not pairs:
                raise PromptError(NOT_LABELLED if pairs is None else NOT_CONFUSED)
            return Ask(
                class_names=tuple(class_names), only=(), sentences=self.sentences,
                description=self.description, pairs=tuple(pairs),
            )  # fmt: skip
        without = [name for name in class_names if self.again or not prompts.of(name)]
        return Ask(
            class_names=tuple(class_names),
            only=tuple(without),
            sentences=self.sentences,
            templates=self.templates,
            description=self.description,
        )

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads. An address that cannot be used may hold a key and is left out."""
        kept = asdict(self)
        try:
            address(base_url=self.base_url, environ={})
        except PromptError:
            kept["base_url"] = ""
        return kept

    @classmethod
    def from_dict(cls, value: object) -> LlmForm:
        """A form from JSON or from fields; whatever does not fit becomes the default."""
        fields = value if isinstance(value, dict) else {}

        def text(key: str, most: int) -> str:
            typed = fields.get(key)
            return typed.strip()[:most] if isinstance(typed, str) else ""

        def number(key: str, usual: int) -> int:
            typed = fields.get(key)
            fits = isinstance(typed, (int, float)) and 0 <= typed <= MAX_SENTENCES
            return int(typed) if fits and typed is not None else usual

        return cls(
            text("description", MAX_DESCRIPTION),
            text("model", _SHORT),
            text("base_url", _SHORT),
            number("sentences", cls.sentences),
            number("templates", cls.templates),
            fields.get("again") is True,
            fields.get("apart") is True,
        )
