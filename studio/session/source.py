"""What the Explore tab looks at: a run, or the images at hand before any training.

Both have a text form, which a page keeps in its fields and sends back.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.errors import RunError

NOTHING = "Nothing to explore yet: a run shows its images here once its labels are judged."
OTHER_IMAGES = "The images at hand have changed meanwhile: look at them again first."
_FOLDER = "folder"


@dataclass(frozen=True)
class OpenedRun:
    """A run, whose images stay as they are. labels: a mark of those that follow answers; empty:
    those of the run itself, which stay as well.
    """

    run_id: str
    labels: str = ""

    @property
    def choice(self) -> str:
        """Its name in a list of things to open."""
        return self.run_id

    def key(self) -> str:
        """The text form, see `parse`."""
        return f"{self.run_id}:{self.labels}" if self.labels else self.run_id

    def same_images(self, other: Source) -> bool:
        """Whether numbers of images mean the same images in both."""
        return isinstance(other, OpenedRun) and self.run_id == other.run_id


@dataclass(frozen=True)
class OpenedFolder:
    """The images at hand. images, labels: marks that change with the images and with their labels;
    empty: whichever there are now.
    """

    images: str = ""
    labels: str = ""

    @property
    def choice(self) -> str:
        """Its name in a list of things to open: there is one data set at hand at a time."""
        return _FOLDER

    def key(self) -> str:
        """The text form, see `parse`."""
        return f"{_FOLDER}:{self.images}:{self.labels}"

    def same_images(self, other: Source) -> bool:
        """Whether numbers of images mean the same images in both."""
        return isinstance(other, OpenedFolder) and (
            self.images == other.images or not (self.images and other.images)
        )


Source = OpenedRun | OpenedFolder

AT_HAND = OpenedFolder()


def parse(text: object) -> Source:
    """The source from its text form or its `choice`, as a page may send it.

    Whether there is such a run is found out by whoever opens it.

    Raises:
        RunError: the text stands for nothing.
    """
    if isinstance(text, (OpenedRun, OpenedFolder)):
        return text
    if not isinstance(text, str) or not text:
        raise RunError(NOTHING)
    what, *marks = text.split(":")
    if what != _FOLDER:
        return OpenedRun(what, *marks[:1])
    images, labels = (*marks, "", "")[:2]
    return OpenedFolder(images, labels)
