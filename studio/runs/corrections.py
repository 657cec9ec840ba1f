"""What is said about images: the label is right, it is another one, or leave it out.

People say so, and a vision-language model may: its verdict is `judged`, it is evidence and no
order, and it never overrides what a person said of an image.

They are kept in a folder, a run's own or that of images which no run has labelled yet.
corrections.jsonl has one line for each press of a button and is only ever appended to; to undo is
one line more, and so is a class that nobody had listed. given.csv holds what a run itself was
started with, and never changes. What counts is given.csv with corrections.jsonl over it, the last
word on an image being the one that holds.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from studio.errors import RunError
from studio.files import append_json, read_json_lines
from studio.forking import Lock
from studio.images.class_lists import MAX_NAME_LENGTH
from studio.images.names import clean, same
from studio.numbers import some
from studio.runs.actions import NOTES, WITHDRAWN, Action, action_of
from studio.runs.gate import Gate, kept
from studio.runs.given import NAMING, VERDICTS, Correction, Verdict
from studio.runs.given_table import GIVEN_FILE, read_corrections
from studio.runs.run import Run

if TYPE_CHECKING:
    from studio.runs.outcome import Outcome

_FILE = "corrections.jsonl"


class Subjects(NamedTuple):
    """What corrections can be of: paths of images, and the classes that they can have."""

    images: Collection[str]
    class_names: Collection[str]


class Corrections:
    """The corrections of one set of images, for any number of pages and processes at once.

    Args:
        folder: where they are kept.
        subjects: asked for whenever something is corrected.
        make: whether the folder is made when there is something to keep; a run's is not, so that
            one that was deleted does not come back.
    """

    def __init__(
        self, folder: Path, subjects: Callable[[], Subjects], *, make: bool = False
    ) -> None:
        self._folder, self._subjects, self._make = folder, subjects, make
        self._seen: tuple[int, int] | None = None  # what the files were like when they were read
        self._current: dict[str, Correction] = {}
        self._done: list[Action] = []
        self._added: tuple[str, ...] = ()
        self._made: dict[str, set[str]] = {}  # by id the images, undone or not
        self._reading = Lock()

    @classmethod
    def of(cls, run: Run, *, images: Callable[[], Collection[str]] | None = None) -> Corrections:
        """Those of a run's images. images: gives their paths; None: they are read when needed."""

        def subjects() -> Subjects:
            names = (*run.info.class_names, *found.added())
            return Subjects(run.images()["images"] if images is None else images(), names)

        found = cls(run.path, subjects)
        return found

    def current(self) -> Mapping[str, Correction]:
        """What counts now, by the image's path; reads the disk only when something changed."""
        self._refresh()
        return self._current

    def added(self) -> tuple[str, ...]:
        """Classes that the list of names did not have, in the order they were added."""
        self._refresh()
        return self._added

    def add_class(self, name: str) -> str:
        """Add a class that no image has so far; its name as it is kept.

        Raises:
            RunError: It is empty or too long, or there is one that is written alike.
        """
        name = clean(name)
        if not name or len(name) > MAX_NAME_LENGTH:
            raise RunError(f"Give the new class a name of 1 to {MAX_NAME_LENGTH} characters.")
        before = next((old for old in self._subjects()[1] if same(old) == same(name)), None)
        if before is not None:
            raise RunError(f"There is a class “{before}” already.")
        self.make_room()
        with Gate(self._folder):
            self._append({"class": name})
        return name

    @property
    def mark(self) -> object:
        """Changes when what counts does."""
        self._refresh()
        return self._seen

    def last(self) -> Action | None:
        """What `undo` would undo; None when there is nothing."""
        self._refresh()
        return self._whole(self._done[-1]) if self._done else None

    def add(self, verdict: str, images: Mapping[str, str]) -> Action:
        """Say the same of some images.

        Args:
            verdict: One of VERDICTS, or WITHDRAWN.
            images: Path -> the class that counts from now on; ignored for what needs none. Of what
                is `judged` it may be "": none of the names that were asked about.

        Raises:
            RunError: No image is named, or one that is not there, or no such class.
        """
        if verdict not in (*VERDICTS, WITHDRAWN):
            raise RunError(f"There is no correction {verdict!r}; choose one of {some(VERDICTS)}.")
        named = (*NAMING, "judged")
        action = Action(
            uuid.uuid4().hex[:12], verdict,
            {path: label if verdict in named else "" for path, label in images.items()},
        )  # fmt: skip
        if not action.images:
            raise RunError("No image is chosen: choose some first.")
        paths, listed_names = self._subjects()
        class_names = set(listed_names)
        # No set of all paths: there may be a million of them, and few are named here.
        if len(set(filter(action.images.__contains__, paths))) < len(action.images):
            raise RunError("There is no such image in this run.")
        if verdict == "judged":
            class_names.add("")
        if verdict in named and not class_names.issuperset(action.images.values()):
            raise RunError("There is no such class in this run: choose one of its classes.")
        self.make_room()
        with Gate(self._folder):
            self._append({"id": action.id, "verdict": verdict, "images": dict(action.images)})
        return action

    def take(
        self, table: Mapping[str, Correction], *, name: str, notes: Sequence[str] = ()
    ) -> Action:
        """Say what a table says, see `read_corrections`; one press undoes all of it.

        Args:
            table: By image, of the classes that there are.
            name: Of the table.
            notes: What was said of its rows.

        Raises:
            RunError: It says nothing, or an image or a class is not there.
        """
        paths, class_names = map(set, self._subjects())
        if not table or not paths.issuperset(table):
            raise RunError("There is no such image in this run.")
        said: dict[str, dict[str, str]] = {"judged": {}}  # first: a judge overrides nobody
        for path, correction in table.items():
            if correction.judged_label is not None:
                said["judged"][path] = correction.judged_label
            if correction.by_person:
                said.setdefault(correction.verdict, {})[path] = correction.label
        named = {label for images in said.values() for label in images.values()} - {""}
        if not named <= class_names:
            raise RunError("There is no such class in this run: choose one of its classes.")
        id, about = uuid.uuid4().hex[:12], {"table": name, "rows": len(table)}
        kept = tuple(notes)[:NOTES]
        self.make_room()
        with Gate(self._folder):
            for verdict, images in said.items():
                if images:
                    line = {"id": id, "verdict": verdict, "images": images, **about}
                    self._append({**line, "notes": list(kept)})
        return Action(id, verdict, images, name, len(table), kept)

    def add_judged(self, images: Mapping[str, str], *, parts: Sequence[str], new: str) -> str:
        """Keep what a judge said: it was paid for, so that it is kept whatever images and classes
        there are by now. What uses it leaves out those that are gone (`runs.given.usable`).

        Args:
            images: Path -> class, see `add`.
            parts: Ids of what the same asking has said before. This becomes a part of the last one
                that stands, so that one press undoes all of it.
            new: The id where none stands: what was undone does not come back.

        Returns:
            The action's id.

        Raises:
            RunError: It cannot be kept.
        """
        self.make_room()
        with Gate(self._folder):
            id = next((part for part in reversed(parts) if self.stands(part)), new)
            self._append({"id": id, "verdict": "judged", "images": dict(images)})
        return id

    def say(
        self, verdict: str, outcome: Outcome, indices: Sequence[int], label: str = ""
    ) -> Action:
        """Say the same of some of a run's images, by their numbers.

        Args:
            verdict: One of VERDICTS, or WITHDRAWN, which leaves out what is not corrected.
            outcome: The labels that are seen: accepted are these.
            indices: Of the images.
            label: The class to relabel to.

        Raises:
            RunError: There is no such verdict, image or class, or nothing to take back.
        """
        right = all(0 <= i < len(outcome) for i in indices)
        if verdict not in (*VERDICTS, WITHDRAWN) or not right:
            raise RunError("There is no such image in this run.")
        if verdict == WITHDRAWN:  # what was not corrected needs no line
            current = self.current()
            indices = [i for i in indices if outcome.paths[i] in current]
            if not indices:
                raise RunError("None of these images is corrected.")
        own = verdict == "accepted"
        return self.add(verdict, {
            outcome.paths[i]: outcome.name(int(outcome.labels[i])) if own else label
            for i in indices
        })  # fmt: skip

    def undo(self, action: str = "", *, by_person: bool = False) -> Action | None:
        """Undo the last press of a button that is not undone yet; None when there is none.

        action: the id of another one that is to be undone instead; by_person: what a judge said is
            passed over: an asking may have ended since the press that is meant.
        """
        if self.last() is None:  # and maybe no folder to write in either
            return None
        with Gate(self._folder):
            self._refresh()
            found = [
                done for done in self._done
                if action in ("", done.id) and not (by_person and done.by_judge)
            ]  # fmt: skip
            if not found:
                return None
            undone = self._whole(found[-1])
            self._append({"undo": undone.id})
        return undone

    def stands(self, action: str) -> bool:
        """Whether the press of a button with this id was made and is not undone."""
        self._refresh()
        return any(done.id == action for done in self._done)

    def images_of(self, action: str) -> Collection[str] | None:
        """The images of the press of a button with this id, undone or not; None: there is none."""
        self._refresh()
        return self._made.get(action)

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return self._folder

    def make_room(self) -> None:
        """Make the folder, where that is for corrections to do. Raises RunError."""
        if self._make:
            with kept():
                self._folder.mkdir(parents=True, exist_ok=True)

    def _append(self, record: Mapping[str, Any]) -> None:
        line = {"time": round(time.time(), 3), **record}
        with kept():
            append_json(self._folder / _FILE, line, keep=True)

    def _whole(self, action: Action) -> Action:
        """With all that the same asking of a judge said; it may have been stopped and gone on."""
        if not action.by_judge:
            return action
        parts = [done.images for done in self._done if done.id == action.id]
        return replace(action, images={path: said for part in parts for path, said in part.items()})

    def _refresh(self) -> None:
        with self._reading:  # one of two readers could put what it read earlier over the other's
            self._read()

    def _read(self) -> None:
        seen = (_size(self._folder / _FILE), _size(self._folder / GIVEN_FILE))
        if seen == self._seen:
            return
        given = self._folder / GIVEN_FILE
        base = read_corrections(given) if seen[1] > 0 else {}
        actions, undone, added = [], set(), []
        for record in read_json_lines(self._folder / _FILE)[0]:
            if "undo" in record:
                undone.add(str(record["undo"]))
            elif isinstance(record.get("class"), str):
                added.append(clean(record["class"])[:MAX_NAME_LENGTH])
            elif (action := action_of(record)) is not None:
                actions.append(action)
        done = [action for action in actions if action.id not in undone]
        current = dict(base)
        for action in done:
            for path, label in action.images.items():
                before = current.pop(path, None)
                if action.verdict in VERDICTS:
                    said = Correction(cast(Verdict, action.verdict), label)
                    current[path] = said.over(before)
        made: dict[str, set[str]] = {}
        for action in actions:
            made.setdefault(action.id, set()).update(action.images)
        self._current, self._done, self._made = current, done, made
        self._added = tuple(dict.fromkeys(name for name in added if name))
        self._seen = seen  # last: whoever sees it takes the rest as it is


def folder_corrections(
    root: Path, *, cache_dir: Path, subjects: Callable[[], Subjects]
) -> Corrections:
    """Those of a folder's images before any run. cache_dir: the studio's cache, which has them."""
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:20]
    return Corrections(cache_dir / "corrections" / key, subjects, make=True)


def corrections_of(run: Run) -> Mapping[str, Correction]:
    """What counts now for a run's images, by path: what it was given, and what was said since."""
    return Corrections.of(run).current()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
