"""The methods that a run can use, by name. All are called alike, so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from studio.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.clip.encode import Images
    from studio.coft.events import Event
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
    ) -> Iterator[Event]:
        """Fit to N images with features (N, d) and C classes with vectors (C, d).

        given: (N,) labels that a person gave, see `studio.coft.given`; None: none. The last event
        is Finished, also when `stop` was heeded.
        """
        ...


def _coft() -> Method:
    from studio.coft.fit import fit

    return fit


def _coft_plus() -> Method:
    from studio.coft.fit import fit_plus

    return fit_plus


def _zero_shot() -> Method:
    from studio.baselines.zero_shot import fit

    return fit


# Imported only when used: they bring torch, and `--help` must answer at once.
METHODS: dict[str, Callable[[], Method]] = {
    "coft": _coft,
    "coft+": _coft_plus,
    "zero-shot": _zero_shot,
}


def load_method(name: str) -> Method:
    """The method of that name.

    Raises:
        SettingsError: There is none.
    """
    if name not in METHODS:
        raise SettingsError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]()
