"""A small table: what `Run.labels` and `Run.predict` return, without any other library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from studio.errors import StudioError
from studio.runs.command import text_table
from studio.runs.table import safe_name, safe_path, write_csv
from studio.views.render import render

if TYPE_CHECKING:
    import pandas

_SHOWN = 10

Row = Mapping[str, Any]


class Table(Sequence[Row]):
    """Rows in a fixed order, each a mapping from column to value.

    `table["label"]` is a column, `table[0]` a row, `table[:5]` a shorter table.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """columns: by name, all of the same length."""
        self._columns = {name: list(values) for name, values in columns.items()}
        if len({len(values) for values in self._columns.values()}) > 1:
            raise ValueError("columns of different lengths")

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Table: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | slice | str) -> Row | Table | list[Any]:
        if isinstance(key, str):
            return self._columns[key]
        if isinstance(key, slice):
            return Table({name: values[key] for name, values in self._columns.items()})
        return {name: values[key] for name, values in self._columns.items()}

    def __iter__(self) -> Iterator[Row]:
        return (self[i] for i in range(len(self)))

    def where(self, choose: Callable[[Row], bool]) -> Table:
        """The rows of which `choose(row)` is true."""
        return self.take([i for i, row in enumerate(self) if choose(row)])

    def take(self, indices: Sequence[int]) -> Table:
        """The rows with these numbers, in this order."""
        return Table({name: [v[i] for i in indices] for name, v in self._columns.items()})

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame.

        Raises:
            StudioError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise StudioError("pandas is not installed: `pip install pandas`.") from None
        return pandas.DataFrame(self._columns)

    def save(self, path: Path | str) -> Path:
        """Write a CSV that no spreadsheet mistakes for formulas; returns the path.

        Raises:
            RunError: It cannot be written.
        """
        return write_csv(
            Path(path), self.columns, ([_cell(k, v) for k, v in row.items()] for row in self)
        )

    def __repr__(self) -> str:
        rows = [[_short(value) for value in row.values()] for row in self[:_SHOWN]]
        more = f"\n... {len(self) - _SHOWN} more" if len(self) > _SHOWN else ""
        return text_table(self.columns, rows) + more

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        rows = [[_short(value) for value in row.values()] for row in self[:_SHOWN]]
        return str(
            render("notebook/table.html", columns=self.columns, rows=rows, more=len(self) - _SHOWN)
        )


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):  # of (name, number)
        return "; ".join(f"{safe_path(name)} {number:.6f}" for name, number in value)
    text = str(value)
    return safe_path(text) if column == "path" else safe_name(text)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # of (name, number)
        return ", ".join(f"{name} {number:.3f}" for name, number in value[:2])
    return f"{value:.3f}" if isinstance(value, float) else str(value)
