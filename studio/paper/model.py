"""What a data set of the paper is: its files, its split, and what came of reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Part = Literal["train", "val", "test"]
Need = Literal["always", "split", "derive"]


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes:
        name: As it is kept in the folder of downloads.
        url: Where it is; empty: nobody serves it any more, it has to be brought by hand.
        bytes: How large it is, 0 where that is not known before the server says so.
        checksum: KIND:HEX with the kinds of `studio.paper.fetch`; empty: none was ever published.
        page: Where a person finds it.
        need: "always"; "split": CoOp's split file, which may be missing; "derive": only then.
    """

    name: str
    url: str = ""
    bytes: int = 0
    checksum: str = ""
    page: str = ""
    need: Need = "always"


@dataclass(frozen=True)
class Item:
    """One image: its part, its key among the set's images, and its class (an index)."""

    part: Part
    key: str
    label: int


@dataclass(frozen=True)
class Listing:
    """What was found in the downloads.

    Attributes:
        keys: Of all images, see `PaperSet.images`; empty unless the plan asks for them.
        lists: The files that say what is in the images, by name.
    """

    keys: tuple[str, ...]
    lists: Mapping[str, bytes]


@dataclass(frozen=True)
class Plan:
    """What is to be laid out.

    Attributes:
        class_names: As CoOp has them, in its order.
        items: All images of all parts.
        made: Images that are in no file of their own: key to a function that encodes them.
        extra: Makes further files for the set's folder, name to text, when it is told where each
            key's image lies in it.
    """

    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    made: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    extra: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None


@dataclass(frozen=True)
class PaperSet:
    """A data set of the paper.

    Attributes:
        name: As it is typed.
        title: As the paper has it.
        licence: What its publisher allows, in a few words.
        page: The publisher's page.
        downloads: All its files.
        images: A regular expression for the path of an image in an archive; its first group is the
            image's key, which is how CoOp's split file calls it.
        lists: Names of the files that a plan reads.
        classes, train, test: How many the protocol has; checked after the layout.
        rule: How train and test are made where there is no split file, in one sentence.
        plan: Makes a plan of what was found, by that rule.
        derived: Whether that rule draws at random, so that it gives other images than CoOp's.
    """

    name: str
    title: str
    licence: str
    page: str
    downloads: tuple[Download, ...]
    images: str
    classes: int
    train: int
    test: int
    rule: str
    plan: Callable[[Listing], Plan]
    lists: tuple[str, ...] = ()
    derived: bool = True

    @property
    def split_file(self) -> Download | None:
        """CoOp's split file, where there is one."""
        return next((file for file in self.downloads if file.need == "split"), None)
