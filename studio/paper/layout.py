"""From downloads to a folder that `fit`, `bench` and the page open: DIR/SET/{train,test}/CLASS/...

Images are copied byte for byte. The folder is made beside its place and then renamed: it is there
whole or not at all.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from studio.errors import FolderError
from studio.files import read_json, write_json
from studio.images.names import canonical
from studio.paper.archives import members
from studio.paper.coop import read_split
from studio.paper.model import Item, Listing, PaperSet, Plan
from studio.progress import Progress

NAMES, SOURCE = "classes.txt", "source.json"


@dataclass(frozen=True)
class LaidOut:
    """A set on disk. split: "coop": CoOp's file; "derived": by its rules; "published"."""

    root: Path
    split: str


def laid_out(root: Path) -> LaidOut | None:
    """What is there; None where nothing is, or not by this module."""
    source = read_json(root / SOURCE)
    if not isinstance(source, dict) or not isinstance(source.get("split"), str):
        return None
    return LaidOut(root, source["split"])


def lay_out(data: PaperSet, downloads: Path, root: Path, *, progress: Progress) -> LaidOut:
    """Make `root` of what is in `downloads`.

    Args:
        data: The set.
        downloads: Its archives, and CoOp's split file where it could be had.
        root: The set's folder; one that is there is replaced.
        progress: Told how many images are written, of how many.

    Raises:
        FolderError: an archive is damaged or not the published one.
    """
    split, plan = _plan(data, downloads)
    items = [item for item in plan.items if item.part != "val"]
    _check_counts(data, plan, items)
    places = _places(plan.class_names, items)
    new = root.with_name(f".{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        for folder in {(new / place).parent for place in places.values()}:
            folder.mkdir(parents=True, exist_ok=True)
        written = 0
        for key, read in _images(data, plan, downloads):
            if key in places and not (new / places[key]).exists():
                (new / places[key]).write_bytes(read())
                written += 1
                progress(written, len(places))
        if missing := [key for key, place in places.items() if not (new / place).exists()]:
            raise FolderError(
                f"{len(missing)} of the {len(places)} images of {data.title} are missing from "
                f"{downloads}, {missing[0]} for one: an archive is not the published one."
            )
        _write_names(new / NAMES, plan.class_names)
        for name, text in (plan.extra(places) if plan.extra else {}).items():
            (new / name).write_text(text, encoding="utf-8")
        write_json(new / SOURCE, _source(data, split, items))
        shutil.rmtree(root, ignore_errors=True)
        new.replace(root)
    except OSError as error:
        raise FolderError(f"{root} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return LaidOut(root, split)


def _plan(data: PaperSet, downloads: Path) -> tuple[str, Plan]:
    if data.split_file and (file := downloads / data.split_file.name).is_file():
        return "coop", read_split(file.read_bytes(), source=str(file))
    keys, lists = [], {}
    for name, read in members(downloads):
        if found := re.search(data.images, name):
            keys.append(found.group(1))
        elif (base := PurePosixPath(name).name) in data.lists:
            lists[base] = read()
    listing = Listing(tuple(dict.fromkeys(keys)), lists)
    try:
        return "derived" if data.derived else "published", data.plan(listing)
    except (ValueError, KeyError, IndexError) as error:
        raise FolderError(
            f"The lists of {data.title} in {downloads} cannot be read ({error}): an archive is not "
            "the published one."
        ) from error


def _images(
    data: PaperSet, plan: Plan, downloads: Path
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if plan.made:
        yield from plan.made.items()
        return
    for name, read in members(downloads):
        if found := re.search(data.images, name):
            yield found.group(1), read


def _check_counts(data: PaperSet, plan: Plan, items: Sequence[Item]) -> None:
    parts = Counter(item.part for item in items)
    found = (len(plan.class_names), parts["train"], parts["test"])
    expected = (data.classes, data.train, data.test)
    if found != expected:
        raise FolderError(
            f"{data.title} has {expected[0]} classes and {expected[1]:,} and {expected[2]:,} "
            f"images for training and test, but the downloads have {found[0]}, {found[1]:,} and "
            f"{found[2]:,}: a file is not the published one."
        )


def _places(names: Sequence[str], items: Sequence[Item]) -> dict[str, str]:
    """Where each image goes, below the set's folder."""
    folders = folder_names(names)
    places = {
        item.key: f"{item.part}/{folders[item.label]}/{_file_name(item.key)}" for item in items
    }
    if len(places) < len(items) or len(set(places.values())) < len(places):
        raise FolderError("Two images have the same name; a file is not the published one.")
    return places


def folder_names(names: Sequence[str]) -> list[str]:
    """A folder for each class, of letters, digits, `-`, `.` and `_`, no two alike."""
    folders: list[str] = []
    for label, name in enumerate(names):
        folder = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or f"class_{label}"
        taken = {canonical(other) for other in folders}
        folders.append(folder if canonical(folder) not in taken else f"{folder}_{label}")
    return folders


def _file_name(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(key).name).lstrip(".")


def _write_names(path: Path, names: Sequence[str]) -> None:
    """Lines FOLDER<TAB>NAME, in the order of the classes; `_` becomes a space, as in CoOp."""
    rows = zip(folder_names(names), names, strict=True)
    path.write_text(
        "".join(f"{folder}\t{name.replace('_', ' ')}\n" for folder, name in rows), encoding="utf-8"
    )


def _source(data: PaperSet, split: str, items: Sequence[Item]) -> dict[str, object]:
    parts = Counter(item.part for item in items)
    return {
        "set": data.title, "split": split, "licence": data.licence, "page": data.page,
        "rule": "CoOp's split file" if split == "coop" else data.rule,
        "classes": data.classes, "train": parts["train"], "test": parts["test"],
        "files": [{"name": file.name, "url": file.url or file.page} for file in data.downloads],
    }  # fmt: skip
