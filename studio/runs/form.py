"""What a user typed to start a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.errors import SettingsError
from studio.settings import Settings


@dataclass(frozen=True)
class RunForm:
    """What was typed. given: whether the run uses what was corrected before any training; check:
    whether it checks the labels that came with the images; common: settings that have a field of
    their own, by name; others: lines of key=value, which win over them.
    """

    names: str = ""
    model: str = ""
    method: str = "coft"
    name: str = ""
    seed: Any = 0
    given: bool = True
    check: bool = True
    common: Mapping[str, Any] = field(default_factory=dict)
    others: str = ""

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: a line without `=`, or whatever Settings refuses; all faults at once.
        """
        overrides = {"seed": as_text(self.seed)}
        for name, value in self.common.items():
            if value is not None:
                overrides[name] = as_text(value)
        for line in map(str.strip, (self.others or "").splitlines()):
            if not line or line.startswith("#"):
                continue
            key, sign, value = line.partition("=")
            if not sign:
                raise SettingsError(f"Settings: {line[:60]!r} is not of the form key=value.")
            overrides[key.strip()] = value.strip()
        return Settings.from_overrides(overrides)


def as_text(value: Any) -> str:
    """A field's value as it would be typed: 3.0 becomes 3, an empty field becomes 0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "0" if value is None else str(value)
