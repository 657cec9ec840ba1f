"""Where the judge answers: the prompts' endpoint, with an address, a model and a key of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from studio.prompts.endpoint import Endpoint, address, find_endpoint, has_key, is_here

DEFAULT_JUDGE = "gpt-4.1-mini"
_NO_KEY = "none"  # what servers that need no key are sent


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the judge takes from the environment, under the names that `find_endpoint` reads.

    JUDGE_BASE_URL, JUDGE_MODEL and JUDGE_API_KEY go before OPENAI_BASE_URL, OPENAI_MODEL and
    OPENAI_API_KEY. OpenAI's key and model go to OpenAI's address only: a judge elsewhere gets
    neither.
    """
    given = os.environ if environ is None else environ
    theirs = address(environ=given) if not given.get("JUDGE_BASE_URL", "").strip() else ""
    own = given.get("JUDGE_BASE_URL", "").strip() or theirs
    same = bool(theirs) or has_key(base_url=own, environ=given)
    values = {"OPENAI_BASE_URL": own}
    for name in ("API_KEY", "MODEL"):
        shared = given.get(f"OPENAI_{name}", "") if same else ""
        values[f"OPENAI_{name}"] = given.get(f"JUDGE_{name}", "").strip() or shared
    return values


def judge_address(
    *, base_url: str = "", public: bool = False, environ: Mapping[str, str] | None = None
) -> str:
    """The base URL that would be used, see `prompts.endpoint.address`. Raises PromptError."""
    return address(base_url=base_url, public=public, environ=environment(environ))


def find_judge(
    *,
    model: str = "",
    base_url: str = "",
    key: str = "",
    public: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """The judge's endpoint from what was typed, and else from the environment.

    A server on this machine needs no key, but where strangers share the page: its owner may not
    want to work for them. For the rest see `studio.prompts.endpoint.find_endpoint`.

    Raises:
        PromptError: There is no key, or the address cannot be used.
    """
    given = environment(environ)
    base = address(base_url=base_url, public=public, environ=given)
    known = has_key(base_url=base, environ=given)
    if not key.strip() and not public and not known and is_here(base):
        key = _NO_KEY
    model = model.strip() or given["OPENAI_MODEL"].strip() or DEFAULT_JUDGE
    return find_endpoint(model=model, base_url=base_url, key=key, public=public, environ=given)
