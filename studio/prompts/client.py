"""One question to an OpenAI-compatible server: what it costs, and what servers do not know.

Time-outs and repeats are those of the openai client, but for what is of no use to repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from studio.errors import PromptError, Stopped, StudioError
from studio.forking import Lock
from studio.numbers import duration
from studio.progress import Stop
from studio.prompts.ask import UnusableAnswerError
from studio.prompts.endpoint import Endpoint, is_here

_OUT_OF_MONEY = "insufficient_quota"
_LONGEST_WAIT_S = 60
_BLIND = (
    "image input", "image_url", "not support image", "not support vision", "multimodal", "mmproj",
    "images are not supported", "not supported image", "takes no image", "must be a string",
    "valid string", "vision is not", "image content",
)  # fmt: skip
"""What servers say when their model cannot look at images: OpenAI, vLLM and Ollama with 400,
llama.cpp with 500 (`image input is not supported`), text-only ones that `content` is no string.
"""

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Asked(Protocol[T_co]):
    """A question: what is sent, and how its answer is read."""

    @property
    def messages(self) -> Sequence[Any]:
        """The chat."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer, as OpenAI's strict mode wants it."""

    @property
    def most_tokens(self) -> int:
        """What an answer is cut off at."""

    def read(self, text: str, /) -> T_co:
        """What can be used of an answer. Raises UnusableAnswerError."""


class Halt(PromptError):  # noqa: N818 (it says that asking on is of no use)
    """The server refuses all that is asked: the key, the model, the quota, the address."""


@dataclass(frozen=True)
class Limits:
    """Seconds and numbers. tries: of one question, the first included."""

    timeout: float = 60.0
    connect: float = 10.0
    tries: int = 3
    parallel: int = 4


@dataclass
class Meter:
    """What was spent, counted over all threads; no request goes out beyond `most`."""

    most: int
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    _lock: Lock = field(default_factory=Lock)

    def take(self) -> None:
        """Count a request that is about to be sent. Raises Halt when there were enough."""
        with self._lock:
            if self.requests >= self.most:
                raise Halt(f"The limit of {self.most} requests is reached.")
            self.requests += 1

    def used(self, usage: Any) -> None:
        """Count the tokens that the server says it used."""
        with self._lock:
            self.tokens_in += _number(getattr(usage, "prompt_tokens", 0))
            self.tokens_out += _number(getattr(usage, "completion_tokens", 0))


class Client:
    """Asks one question after the other; used by several threads at once. To be closed."""

    def __init__(self, endpoint: Endpoint, *, meter: Meter, stop: Stop, limits: Limits) -> None:
        import openai  # takes a second, and is not needed without a key

        self._openai = openai
        self._endpoint, self._meter, self._stop, self._limits = endpoint, meter, stop, limits
        self._forms = ["json_schema", "json_object", "text"]  # of the answer; those it knows
        self._cap = "max_completion_tokens"
        timeout = openai.Timeout(limits.timeout, connect=limits.connect)
        self._http = openai.DefaultHttpxClient(
            timeout=timeout,
            follow_redirects=False,  # or a server could send the question elsewhere
            trust_env=not is_here(endpoint.base_url),  # a proxy would take it off this machine
            event_hooks={
                "request": [_say_nothing_of_this_machine, lambda _: meter.take()],
                "response": [_give_up_where_waiting_is_no_use],
            },
        )
        self._client = openai.OpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            timeout=timeout,
            max_retries=limits.tries - 1,
            http_client=self._http,
        )

    def close(self) -> None:
        """Hang up, also on requests that are under way."""
        self._http.close()

    def ask(self, question: Asked[T]) -> tuple[T, str]:
        """The answer and its text.

        Raises:
            UnusableAnswerError: The model refused, or answered what cannot be used.
            Halt: Nothing else needs to be asked either.
            Stopped: `stop` said so.
            PromptError: This question failed for another reason, in one line without the key.
        """
        try:
            return self._answer(question)
        except UnusableAnswerError:  # a second chance, not a third
            return self._answer(question)

    def _answer(self, question: Asked[T]) -> tuple[T, str]:
        if self._stop():
            raise Stopped
        try:
            text = self._request(question)
        except StudioError:
            raise
        except Exception as error:
            raise self._explained(error, looks=_looks(question)) from None
        return question.read(text), text

    def _request(self, question: Asked[Any]) -> str:
        """One request, again at once in a simpler form when the server does not know this one."""
        create: Any = self._client.chat.completions.create
        while True:
            forms, cap = tuple(self._forms), self._cap
            try:
                answer = create(
                    model=self._endpoint.model,
                    messages=question.messages,
                    **_form(forms[0], question),
                    **{cap: question.most_tokens},
                )
            except (self._openai.BadRequestError, self._openai.UnprocessableEntityError) as error:
                if not self._simpler(error, forms, cap):
                    raise
                continue
            self._meter.used(getattr(answer, "usage", None))
            return _text_of(answer)

    def _simpler(self, error: Any, forms: tuple[str, ...], cap: str) -> bool:
        """Whether there is a simpler form to try; other threads may have found it already."""
        answer = str(error).lower()
        if "max_completion_tokens" in answer and cap == "max_completion_tokens":
            self._cap = "max_tokens"
            return True
        if tuple(self._forms) != forms:
            return True
        words = ("response_format", "json_schema", "json_object", "schema", "grammar")
        if len(forms) > 1 and any(word in answer for word in words):
            self._forms = self._forms[1:]
            return True
        return False

    def _explained(self, error: Exception, *, looks: bool) -> StudioError:
        """What went wrong, in one line that says what to do. looks: an image was sent."""
        openai, host, model = self._openai, self._endpoint.host, self._endpoint.model
        if self._stop():
            return Stopped()
        if isinstance(error.__cause__, Halt):  # of the meter
            return error.__cause__
        if isinstance(error, openai.APITimeoutError):
            return PromptError(f"{host} did not answer within {self._limits.timeout:g} s.")
        if isinstance(error, openai.APIConnectionError):
            return Halt(f"{host} cannot be reached; check the address and the network.")
        if not isinstance(error, openai.APIStatusError):
            return PromptError(f"{host} answered what cannot be read ({type(error).__name__}).")
        code = error.status_code
        if looks and _blind(str(error)):
            cannot = f"The model “{model}” at {host} cannot look at images ({code})"
            return Halt(f"{cannot}; choose one that can.")
        if _filtered(error):
            return UnusableAnswerError("The server refuses what was sent by its rules of content.")
        if code in (401, 403):
            return Halt(f"{host} does not accept the key ({code}); check it, and what it may do.")
        if 300 <= code < 400:
            return Halt(f"{host} sends on to another address ({code}); type that one.")
        if code == 404:
            return Halt(f"{host} does not know the model “{model}”, or not at this address (404).")
        if _quota(error):
            return Halt(f"The quota of this key at {host} is used up.")
        if code == 429:
            return PromptError(f"{host} takes no more requests for now (429); {_when(error)}.")
        if code >= 500:
            return PromptError(f"{host} failed ({code}); try again later.")
        reason = str(error.message).removeprefix(f"Error code: {code} - ")
        reason = " ".join(self._endpoint.redact(reason).split())[:200]
        return Halt(f"{host} refuses the request ({code}): {reason}")


def _say_nothing_of_this_machine(request: Any) -> None:
    """Drop what the client tells of the operating system and Python; nobody needs it."""
    for name in [name for name in request.headers if name.lower().startswith("x-stainless")]:
        del request.headers[name]
    request.headers["user-agent"] = "coft-studio"


def _give_up_where_waiting_is_no_use(response: Any) -> None:
    """Tell the client not to repeat: there is no money left, the model has no eyes, or the server
    asks to wait too long (which the client would pass over, and ask again at once).
    """
    if response.status_code >= 500:
        response.read()
        if _blind(response.text):
            response.headers["x-should-retry"] = "false"
    if response.status_code == 429:
        response.read()
        asked = response.headers.get("retry-after", "")
        if _OUT_OF_MONEY in response.text or (asked.isdigit() and int(asked) > _LONGEST_WAIT_S):
            response.headers["x-should-retry"] = "false"


def _form(form: str, question: Asked[Any]) -> dict[str, Any]:
    if form == "text":
        return {}
    if form == "json_object":
        return {"response_format": {"type": form}}
    described = {"name": "answer", "strict": True, "schema": question.schema}
    return {"response_format": {"type": form, form: described}}


def _text_of(answer: Any) -> str:
    """The text of an answer; servers that are nearly compatible leave out all sorts of things."""
    choices = getattr(answer, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    if getattr(message, "refusal", None) or (
        choices and getattr(choices[0], "finish_reason", None) == "content_filter"
    ):
        raise UnusableAnswerError("The model refused to answer.")
    text = getattr(message, "content", None)
    if not isinstance(text, str) or not text.strip():
        raise UnusableAnswerError("The answer is empty.")
    return text


def _looks(question: Asked[Any]) -> bool:
    """Whether there is an image in a question: what is said is a list of parts then."""
    return any(not isinstance(message["content"], str) for message in question.messages)


def _blind(answer: str) -> bool:
    """Whether an error says that the model takes no images."""
    said = answer.lower()
    return any(words in said for words in _BLIND)


def _filtered(error: Any) -> bool:
    """Whether this question alone is refused, for what it shows or says."""
    kinds = ("content_filter", "content_policy_violation", "moderation_blocked")
    said = str(error).lower()
    named = (getattr(error, "code", None), getattr(error, "type", None))
    return any(kind in named for kind in kinds) or "content management policy" in said


def _quota(error: Exception) -> bool:
    """OpenAI answers 429 as well when there is no money left; waiting does not help then."""
    return _OUT_OF_MONEY in (getattr(error, "code", None), getattr(error, "type", None))


def _when(error: Any) -> str:
    """When to try again, where the server says so in seconds."""
    asked = error.response.headers.get("retry-after", "")
    seconds = int(asked) if asked.isdigit() and len(asked) < 7 else 0
    return f"try again in {duration(seconds)}" if seconds else "try again later"


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
