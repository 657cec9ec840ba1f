"""A language model at work for the page: one call at a time, in a thread, with what came so far."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.errors import FolderError, PromptError, StudioError
from studio.prompts.endpoint import Endpoint, address, find_endpoint, has_key
from studio.prompts.llm import Written, write
from studio.prompts.prompt_set import MAX_TEMPLATES, PromptSet
from studio.session.prompts import Prompts

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Writing:
    """How a call stands. host: who is asked; error: one line when nothing came."""

    busy: bool = False
    stopping: bool = False
    host: str = ""
    written: Written | None = None
    error: str = ""


@dataclass
class Writer:
    """See the module.

    public: strangers share this page, so that each has to bring a key with every call; else a typed
    key is kept in the memory of this process, for its address, until it is forgotten or the process
    ends. It is written nowhere.
    """

    book: Prompts
    cache_dir: Path
    public: bool = False
    write: Callable[..., Written] = write
    _view: Writing = field(default_factory=Writing)
    _keys: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _calls: int = 0

    @property
    def view(self) -> Writing:
        """How things stand; never changes once taken."""
        with self._lock:
            return self._view

    def key_from(self, base_url: str) -> str:
        """Where a key for the typed address would come from: "typed", "environment" or "".

        Raises:
            PromptError: the address cannot be used.
        """
        base = address(base_url=base_url, public=self.public)
        if base in self._keys:
            return "typed"
        return "environment" if not self.public and has_key(base_url=base) else ""

    def forget(self) -> None:
        """Forget all keys that were typed."""
        with self._lock:
            self._keys.clear()
            self._view = replace(self._view)

    def start(self, *, key: str) -> None:
        """Have written what the data's llm_form says. Returns at once.

        Args:
            key: as typed; empty: the one known for this address.

        Raises:
            StudioError: there is no key, there are no classes, nothing is asked for, or a call is
                under way.
        """
        view = self.book.data.state
        llm_form = view.llm_form
        if not view.names:
            raise FolderError("Name the classes on the Data tab first: at least two.")
        ask = llm_form.ask(view.names, view.prompts)
        ask.questions()  # says what is wrong with it
        with self._lock:
            if self._view.busy:
                raise PromptError("A language model is at work already; wait for it or stop it.")
            base = address(base_url=llm_form.base_url, public=self.public)
            endpoint = find_endpoint(
                model=llm_form.model,
                base_url=llm_form.base_url,
                key=key.strip() or self._keys.get(base, ""),
                public=self.public,
            )
            if key.strip() and not self.public:
                self._keys[base] = endpoint.key
            self._stop.clear()
            self._calls += 1
            self._view = Writing(busy=True, host=endpoint.host)
            self._thread = threading.Thread(
                target=self._run, args=(ask, endpoint, self._calls), name="writer", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Hang up; what came is kept."""
        with self._lock:
            self._stop.set()
            if self._view.busy:
                self._view = replace(self._view, stopping=True)

    def wait(self, seconds: float = 60) -> None:
        """Wait for the call under way to end; for tests."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, ask: Any, endpoint: Endpoint, call: int) -> None:
        taken: set[str] = set()

        def heard(written: Written) -> None:
            """Take over what is new: what the user edits meanwhile is not overwritten later."""
            new = {n: s for n, s in written.prompts.sentences.items() if n not in taken}
            templates = () if "" in taken else written.prompts.templates
            taken.update(new, [""] if templates else [])
            if new or templates:
                self.book.edit(
                    lambda old: _merged(old, PromptSet(templates, new)), what=f"call {call}"
                )
            with self._lock:
                self._view = replace(self._view, written=written)

        error, last = "", None
        try:
            last = self.write(
                ask, endpoint, cache_dir=self.cache_dir, stop=self._stop.is_set, listen=heard
            )
            heard(last)
        except StudioError as known:
            error = str(known)
        except Exception as bug:  # its text might hold the key
            _log.error("writing prompts failed: %s", type(bug).__name__)
            error = f"Something went wrong that should not have ({type(bug).__name__})."
        with self._lock:
            self._view = replace(self._view, busy=False, stopping=False, error=error, written=last)


def _merged(old: PromptSet, new: PromptSet) -> PromptSet:
    """New sentences in the place of a class's old ones; new templates after the old ones."""
    templates = tuple(dict.fromkeys((*old.templates, *new.templates)))[:MAX_TEMPLATES]
    merged = old.with_templates(templates)
    for name, texts in new.sentences.items():
        merged = merged.with_sentences(name, texts)
    return merged
