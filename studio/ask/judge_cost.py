"""What asking a vision-language model takes, known before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.ask.judge_question import TIMES
from studio.ask.judge_questioner import PROBES
from studio.errors import PromptError
from studio.prompts.client import Limits

_WORDS_TOKENS = 190  # of role, task, schema and six short names: about 740 characters
_ANSWER_TOKENS = 10
_CHARACTERS_PER_TOKEN = 4
_IMAGE_TOKENS = (
    ("gpt-4o-mini", 2833), ("gpt-4.1-mini", 415), ("gpt-4o", 85),
)  # fmt: skip
"""Of 512 x 512 pixels looked at with little detail, as OpenAI counts them; the start of a model's
name, the longer ones first."""
_USUAL_IMAGE_TOKENS = 400  # of open models: 256 (Gemma 3), 324 (Qwen2.5-VL), 576 (LLaVA 1.5)
_PRICES = (
    ("gpt-4o-mini", 0.15, 0.60), ("gpt-4.1-mini", 0.40, 1.60), ("gpt-4o", 2.50, 10.00),
)  # fmt: skip
"""US dollars for a million tokens sent and written. Read in October 2026 in public lists of
OpenAI's prices, four of which agree; not on its own page, which no longer showed these models."""
PRICES_OF = "October 2026"
_DEARER = "gpt-4o-2024-05-13"  # a version that never came down to the price of its name
_PRICED_HOST = "api.openai.com"


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens sent, and written. dated: as listed in `PRICES_OF`, and not
    as typed.
    """

    sent: float
    written: float
    dated: bool = False

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Dollars for so many tokens."""
        return (tokens_in * self.sent + tokens_out * self.written) / 1e6

    @classmethod
    def parse(cls, text: str) -> Price | None:
        """A typed price, `0.40 / 1.60` or `0.40, 1.60` or one number for both; None for none.

        Raises:
            PromptError: It is something else.
        """
        if not text.strip():
            return None
        numbers = re.fullmatch(r"\s*\$?\s*(\d+\.?\d*)\s*(?:[/,; ]\s*\$?\s*(\d+\.?\d*))?\s*", text)
        if numbers is None or re.fullmatch(r"\s*\$?\s*\d+,\d+\s*", text):  # 0,40 is one number
            raise PromptError(
                "A price is what a million tokens cost in US dollars, sent and written: 0.40/1.60."
            )
        sent = float(numbers[1])
        return cls(sent, sent if numbers[2] is None else float(numbers[2]))


def price_of(model: str, host: str) -> Price | None:
    """The listed price of a model or of a dated version of it; None where it is not known."""
    if host != _PRICED_HOST or model == _DEARER:
        return None
    for name, sent, written in _PRICES:
        if re.fullmatch(rf"{re.escape(name)}(-\d{{4}}-\d\d-\d\d)?", model):
            return Price(sent, written, dated=True)
    return None


@dataclass(frozen=True)
class JudgeBudget:
    """What an asking takes at most, but for repeats after faults. Tokens are estimates.

    Attributes:
        images: How many are looked at.
        questions: About them, all of them; about those that were answered before nothing is sent.
        probes: Questions about test pictures, which show whether the model sees at all.
        at_most: Requests, repeats included; never more.
        tokens_in, tokens_out: Sent and written.
        dollars: What that costs; None where no price is known.
    """

    images: int
    questions: int
    probes: int
    at_most: int
    tokens_in: int
    tokens_out: int
    dollars: float | None = None


def judge_budget(
    images: int, *, model: str, price: Price | None = None, about: str = "",
    limits: Limits | None = None,
) -> JudgeBudget:  # fmt: skip
    """What asking about so many images takes. about: the user's words, sent with each."""
    limits = limits or Limits()
    questions = images * TIMES
    each = image_tokens(model) + _WORDS_TOKENS + len(about) // _CHARACTERS_PER_TOKEN
    sent = (questions + PROBES) * each if images else 0
    written = (questions + PROBES) * _ANSWER_TOKENS if images else 0
    probes = PROBES if images else 0
    # A question is put twice when its answer cannot be used; four find a server's form of answer.
    most = (questions + probes) * limits.tries * 2 + 4 if images else 0
    dollars = None if price is None else price.of(sent, written)
    return JudgeBudget(images, questions, probes, most, sent, written, dollars)


def image_tokens(model: str) -> int:
    """About how many tokens a model reads of one image of 512 pixels a side."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((n for start, n in _IMAGE_TOKENS if name.startswith(start)), _USUAL_IMAGE_TOKENS)


def images_wanted(budget: str, *, classes: int | None = None) -> int:
    """How many images a budget means: a number, or a number times the classes, `2C`.

    classes: None where they are not known yet; what comes back only says that it is a budget.

    Raises:
        PromptError: It is neither.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([cC]?)\s*", budget)
    number = float(found[1]) if found is not None and len(found[1]) <= 12 else 0.0
    a_class = found is not None and bool(found[2])
    if a_class and classes is None:
        wanted = int(number > 0)
    else:
        wanted = int(number * (classes or 1)) if a_class else int(number)
    if wanted < 1 or (not a_class and number != wanted):
        raise PromptError(
            f"A budget is how many images are asked about: a number, or 2C for two a class; not "
            f"{budget.strip()[:20]!r}."
        )
    return wanted
