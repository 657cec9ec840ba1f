from __future__ import annotations

from typing import Any

import pytest

from studio.errors import RunError
from studio.session.source import AT_HAND, OpenedFolder, OpenedRun, Source, parse


@pytest.mark.parametrize(
    "source",
    [OpenedRun("20260101-120000-demo-coft"), AT_HAND, OpenedFolder("ab", "cd")],
)
def test_a_source_comes_back_from_its_text(source: Source) -> None:
    assert parse(source.key()) == source
    assert parse(source) is source


def test_a_choice_stands_for_the_labels_of_now() -> None:
    assert parse(OpenedFolder("ab", "cd").choice) == AT_HAND
    assert parse(OpenedRun("r").choice) == OpenedRun("r")


@pytest.mark.parametrize("text", ["", None, 5, ["folder"], {}])
def test_what_stands_for_nothing_is_refused(text: Any) -> None:
    with pytest.raises(RunError, match="Nothing to explore"):
        parse(text)


def test_images_are_the_same_whatever_their_labels_but_not_those_of_another_folder() -> None:
    mine = OpenedFolder("ab", "cd")
    assert mine.same_images(OpenedFolder("ab", "ef"))
    assert mine.same_images(AT_HAND)
    assert not mine.same_images(OpenedFolder("other", "cd"))
    assert not mine.same_images(OpenedRun("ab"))
    assert OpenedRun("a").same_images(OpenedRun("a"))
    assert not OpenedRun("a").same_images(OpenedRun("b"))
    assert not OpenedRun("folder").same_images(AT_HAND)
