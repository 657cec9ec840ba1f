"""The methods that a run can use, by name. All are called alike, so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from studio.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.clip.encode import Images
    from studio.coft.events import Event
    from studio.coft.student import Student
    from studio.settings import Settings


class Method(Protocol):
    """A fit: everything it may know comes in here, everything it has to say comes out as events."""

    def __call__(
        self,
        *,
        backbone: Backbone,
        images: Images,
        features: Tensor,
        class_vectors: Tensor,
        class_names: Sequence[str],
        settings: Settings,
        given: Tensor | None,
        stop: Callable[[], bool],
        claims: Tensor | None = ...,
        student: Student | None = ...,
    ) -> Iterator[Event]:
        """Fit to N images with features (N, d) and C classes with vectors (C, d).

        given: (N,) labels that a person gave, see `studio.coft.given`; None: none. claims: (N,)
        labels to be judged, see `studio.coft.claims`; student: what Phase II fine-tunes instead of
        the backbone; both for methods in `TWO_PHASES` only. The last event is Finished, also when
        `stop` was heeded.
        """
        ...


def _in(module: str, name: str = "fit") -> Callable[[], Method]:
    """Loads a method of a module of this package."""

    def load() -> Method:
        method: Method = getattr(import_module(f"studio.{module}"), name)
        return method

    return load


# Imported only when used: they bring torch, and `--help` must answer at once.
METHODS: dict[str, Callable[[], Method]] = {
    "coft": _in("coft.fit"),
    "coft+": _in("coft.fit", "fit_plus"),
    # What CoFT is compared with: see docs/method.md, "Baselines".
    "zero-shot": _in("baselines.zero_shot"),
    "zero-shot-ensemble": _in("baselines.zero_shot", "fit_ensemble"),
    "upl": _in("baselines.upl"),
    "fpl": _in("baselines.grip", "fit_fpl"),
    "ifpl": _in("baselines.grip", "fit_ifpl"),
    "grip": _in("baselines.grip", "fit_grip"),
    "self-training": _in("baselines.self_training"),
    "self-training-seeds": _in("baselines.self_training", "fit_seeds"),
    "fixmatch": _in("baselines.fixmatch"),
    "lafter": _in("baselines.lafter"),
    "transclip": _in("baselines.transclip"),
    "supervised": _in("baselines.self_training", "fit_supervised"),
}

TWO_PHASES = frozenset({"coft", "coft+"})
"""CoFT itself: it alone can judge labels that came with the images, and ship another model than the
one that judges.
"""

ONE_MODEL = frozenset(METHODS) - {
    "coft", "coft+", "self-training", "self-training-seeds", "supervised",
}  # fmt: skip
"""Methods that train one model where CoFT trains two."""


def load_method(name: str) -> Method:
    """The method of that name.

    Raises:
        SettingsError: There is none.
    """
    if name not in METHODS:
        raise SettingsError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]()
