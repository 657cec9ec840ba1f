"""Frozen dataclasses of choices: checked values, each with source, meaning and limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from studio.errors import SettingsError

if TYPE_CHECKING:
    from typing_extensions import Self

_Value = TypeVar("_Value")


def choice(
    default: Any,
    source: str,
    help: str,
    *,
    options: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
    formerly: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that knows its source, its meaning and its legal values.

    formerly: names it had, under which it is still read.
    """
    metadata = {
        "source": source, "help": help, "options": options, "low": low, "high": high,
        "formerly": formerly,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Choices:
    """Base of a dataclass whose fields are made by `choice` and hold int, float, bool or str."""

    def __post_init__(self) -> None:
        """Check every value; all that is wrong is listed at once.

        Raises:
            SettingsError: a value has the wrong type, is out of range or not among the options.
        """
        types = get_type_hints(type(self))
        checked = (self._fault(f, types[f.name]) for f in dataclasses.fields(self))
        faults = [fault for fault in checked if fault]
        if faults:
            raise SettingsError("Settings: " + "; ".join(faults))

    def _fault(self, field: dataclasses.Field[Any], wanted: type) -> str:
        value, meta = getattr(self, field.name), field.metadata
        if type(value) is int and wanted is float:
            object.__setattr__(self, field.name, value := float(value))
        if type(value) is not wanted:
            return f"{field.name} must be {_NAMES[wanted]}, not {value!r}"
        if meta["options"] and value not in meta["options"]:
            return (
                f"{field.name} must be one of {', '.join(map(str, meta['options']))}, not {value!r}"
            )
        low, high = meta["low"], meta["high"]
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            span = f"at least {low}" if high is None else f"between {low} and {high}"
            return f"{field.name} must be {span}, not {value!r}"
        return ""

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, str]) -> Self:
        """Defaults with some values replaced, given as text (`--set key=value`).

        Raises:
            SettingsError: an unknown name or an illegal value; lists all of them.
        """
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        faults = []
        for name, text in cls.by_current_name(overrides).items():
            if name not in types:
                faults.append(
                    f"there is no setting {name!r} (`python -m studio settings` lists them)"
                )
                continue
            try:
                values[name] = _parse(text, types[name])
            except ValueError:
                faults.append(f"{name} must be {_NAMES[types[name]]}, not {text!r}")
        try:
            settings = cls(**values)
        except SettingsError as error:
            faults.append(str(error).removeprefix("Settings: "))
        if faults:
            raise SettingsError("Settings: " + "; ".join(faults))
        return settings

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings as `to_dict` wrote them; names that this version does not know are an error."""
        values = cls.by_current_name(values)
        unknown = sorted(set(values) - set(get_type_hints(cls)))
        if unknown:
            raise SettingsError(f"Settings: unknown names {', '.join(unknown)}")
        return cls(**values)

    @classmethod
    def by_current_name(cls, values: Mapping[str, _Value]) -> dict[str, _Value]:
        """The same values, those under a field's former name under its name of today."""
        names = {
            former: field.name
            for field in dataclasses.fields(cls)
            for former in field.metadata["formerly"]
        }
        return {names.get(name, name): value for name, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Described:
    """One setting as shown to people."""

    name: str
    default: Any
    source: str
    help: str
    options: tuple[Any, ...]

    @property
    def typed_default(self) -> str:
        """The default as it would be typed after name=."""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)


def describe(choices: type[Choices]) -> list[Described]:
    """All fields in order."""
    return [
        Described(
            f.name, f.default, f.metadata["source"], f.metadata["help"], f.metadata["options"]
        )
        for f in dataclasses.fields(choices)
    ]


def _parse(text: str, wanted: type) -> Any:
    """Text to a value of the wanted type; ValueError when it is none."""
    if wanted is bool:
        lowered = text.strip().lower()
        if lowered not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            raise ValueError(text)
        return lowered in ("true", "yes", "on", "1")
    return wanted(text.strip())


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
