from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from studio.coft import events
from studio.runs import measured
from studio.runs.records import kind_of
from studio.runs.tensors import _FORMS, loaded


def tensors_by_kind() -> dict[str, set[str]]:
    """The tensors of every kind of event that a run's folder holds."""
    found = {}
    for module in (events, measured):
        for cls in vars(module).values():
            if dataclasses.is_dataclass(cls) and isinstance(cls, type):
                names = {f.name for f in dataclasses.fields(cls) if f.type == "Tensor"}
                found[kind_of(object.__new__(cls))] = names
    return {kind: names for kind, names in found.items() if names}


def test_every_kind_with_tensors_of_all_images_has_a_form() -> None:
    """Else its tensors are not checked, and a run that has them cannot be opened."""
    kinds = tensors_by_kind()
    del kinds["seed_set"]  # of a few images, and no page reads it
    assert kinds == {kind: set(form) for kind, form in _FORMS.items()}
    assert {"judged", "finished", "combined", "strangers"} <= set(kinds)


@pytest.mark.parametrize("kind", _FORMS)
def test_one_tensor_is_asked_for_and_all_are_read(kind: str) -> None:
    class Stored(SimpleNamespace):
        def __getattr__(self, name: str) -> object:
            assert name in _FORMS[kind]
            self.__dict__.update(dict.fromkeys(_FORMS[kind], 1))
            return 1

    assert loaded(kind, Stored()) == dict.fromkeys(_FORMS[kind], 1)
