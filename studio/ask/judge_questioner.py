"""One question to the judge at a time: asked once for ever, whatever the answer is worth."""

from __future__ import annotations

import json
from contextlib import suppress

from studio.ask.judge_image import plain_picture
from studio.ask.judge_question import PictureQuestion, questions
from studio.errors import PromptError
from studio.prompts.answers import Answers
from studio.prompts.ask import UnusableAnswerError
from studio.prompts.client import Client
from studio.prompts.endpoint import Endpoint

_COLOURS = {
    "red": (210, 30, 30), "blue": (30, 60, 200), "green": (30, 150, 50), "yellow": (240, 220, 40),
}  # fmt: skip
_SHOWN = ("red", "blue")
"""The colours of the test pictures: whoever answers without looking names one of four both times,
or the same place of the list, and fails at one of them."""
PROBES = len(_SHOWN)


class Questioner:
    """Puts questions, and keeps what came. client: whom they are put through."""

    def __init__(self, client: Client, answers: Answers, endpoint: Endpoint) -> None:
        self._client, self._answers, self._endpoint = client, answers, endpoint

    def ask(self, question: PictureQuestion) -> str:
        """The name that was answered. Raises what `Client.ask` raises."""
        try:
            name, text = self._client.ask(question)
        except UnusableAnswerError as error:
            self._answers.put(question, json.dumps({"fault": str(error)}))
            raise
        self._answers.put(question, json.dumps({"text": text}))
        return name

    def known(self, question: PictureQuestion) -> str | None:
        """The name that was answered before, None when it was not asked.

        Raises:
            UnusableAnswerError: It was asked, and the answer could not be used.
        """
        try:
            kept = json.loads(self._answers.get(question) or "null")
        except ValueError:
            return None
        if not isinstance(kept, dict):
            return None
        if isinstance(kept.get("fault"), str):
            raise UnusableAnswerError(kept["fault"])
        return question.read(kept["text"]) if isinstance(kept.get("text"), str) else None

    def check_eyes(self) -> None:
        """See whether the model sees: it names the colours of two test pictures.

        Some servers pass over images that their model cannot look at, and it guesses then. Only
        that it sees is kept: a server that was started without its eyes may be mended.

        Raises:
            PromptError: It does not, and what `Client.ask` raises.
        """
        for number, colour in enumerate(_SHOWN):
            picture = plain_picture(f"one colour, {colour}", _COLOURS[colour])
            question = questions(picture, tuple(_COLOURS))[number]
            with suppress(UnusableAnswerError):  # kept by versions that kept every answer
                if self.known(question) == colour:
                    continue
            try:
                said, text = self._client.ask(question)
            except UnusableAnswerError as error:
                said, why = None, f"{str(error).rstrip('.')}; it"
            else:
                why = "It"
            if said != colour:
                model, host = self._endpoint.model, self._endpoint.host
                raise PromptError(
                    f"The model “{model}” at {host} did not see that a test picture is {colour}. "
                    f"{why[:1].upper()}{why[1:]} cannot look at images, or does not follow the "
                    "question: choose another one, or see to its server and ask again."
                )
            self._answers.put(question, json.dumps({"text": text}))
