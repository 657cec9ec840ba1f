"""What leaves the machine when a language model is asked, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import PromptError, StudioError
from studio.prompts.ask import Budget
from studio.prompts.endpoint import address, find_endpoint, host_of, stays_here
from studio.prompts.form import LlmForm
from studio.prompts.llm import budget
from studio.prompts.prompt_set import PromptSet


@dataclass(frozen=True)
class Leaving:
    """host: whom it goes to; classes: how many names; described: whether there is a description;
    budget: None while there is nothing to ask, and `fault` says why; pairs: which classes are told
    to be mixed up; stays: the server is on this machine, and hands nothing on.
    """

    host: str
    classes: int
    described: bool
    budget: Budget | None = None
    fault: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    stays: bool = False


def leaving(
    form: LlmForm,
    *,
    names: Sequence[str],
    prompts: PromptSet,
    public: bool,
    cache_dir: Path,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> Leaving:
    """What would leave before anything does.

    public: strangers share the page; pairs: classes that are mixed up, see `LlmForm.ask`.
    """
    host, fault, cost, stays = "the server", "", None, False
    try:
        base = address(base_url=form.base_url, public=public)
        host = host_of(base)
        if not names:
            raise PromptError("Name the classes on the Data tab first.")
        # A key only completes the endpoint here; a budget sends nothing.
        endpoint = find_endpoint(model=form.model, base_url=form.base_url, key="-", public=public)
        stays = stays_here(base, endpoint.model)
        ask = form.ask(list(names), prompts, pairs)
        cost = budget(ask, base_url=base, model=endpoint.model, cache_dir=cache_dir)
    except StudioError as error:
        fault = str(error)
    told = tuple(pairs or ()) if form.apart else ()
    return Leaving(host, len(names), bool(form.description), cost, fault, told, stays)
