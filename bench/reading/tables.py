"""Tables on disk: delimited text in the forms that people export, and parquet."""

import io
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reading.cells import refuse_text
from bench.reading.layout import UNNAMED, Layout, layout_of
from bench.reading.rows import refuse_long_rows
from bench.reading.text import read_text, refuse_stream

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

TABLE_BYTES = 2**30
TABLE_NUMBERS = 2**28
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """Columns of a file, numbers, and a line for each thing that was found or left out."""

    frame: "pd.DataFrame"
    notes: tuple[str, ...]


def open_table(path: Path) -> "OpenTable":
    """A table whose names are read and whose rows are not yet.

    Args:
        path: of a text file, maybe .gz, .bz2 or .xz, or a parquet file.

    Raises:
        ValueError: what cannot be read, with file, line and remedy.
    """
    path = Path(path)
    return ParquetTable(path) if path.suffix.lower() in PARQUET else TextTable(path)


class OpenTable(ABC):
    """A file of rows whose names are read.

    Attributes:
        path: of the file.
        names: of its columns that have one.
        decimal: the mark in its numbers.
        found: a line for each thing that is unlike a plain table.
    """

    path: Path
    names: list[str]
    decimal = "."
    found: Sequence[str] = ()

    def read(
        self,
        wanted: Sequence[str] = (),
        every: bool = False,
        levels: Collection[str] | None = None,
    ) -> Table:
        """The columns that are wanted, or every one; those without a name are left out.

        Args:
            levels: columns that may hold anything; where it is given, text without any number is
                taken as it is.

        Raises:
            ValueError: text in one of them, rows of another length, or too many numbers.
        """
        keep, notes = _choose(self.names, wanted, every)
        try:
            frame = self._frame(keep)
            refuse_text(frame, self.decimal, self.place, levels)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        return Table(frame, (*self.found, *notes))

    @abstractmethod
    def place(self, row: int) -> str:
        """Where a row stands in the file."""

    @abstractmethod
    def _frame(self, keep: list[str]) -> "pd.DataFrame":
        """Columns of these names."""


class TextTable(OpenTable):
    """A delimited text; separator and decimal mark are found, NA and null are names as any."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, read_text(path, TABLE_BYTES)
        try:
            self.layout = layout_of(self.text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        self.names = [name for name in self.layout.names if name]
        self.decimal, self.found = self.layout.decimal, self.layout.notes

    def _frame(self, keep: list[str]) -> "pd.DataFrame":
        return _parse(self.text, self.layout, keep)

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        lines = (k for k, line in enumerate(self.text.split("\n"), 1) if line.strip())
        after = [k for k in lines if k > self.layout.skipped]
        return (
            f"line {after[row]}" if row < len(after) and '"' not in self.text else f"row {row + 1}"
        )


class ParquetTable(OpenTable):
    """A parquet file; needs pyarrow."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, _parquet(path)
        names = [str(name) for name in self.file.schema_arrow.names]
        if len(set(names)) < len(names):
            twice = next(n for k, n in enumerate(names) if n in names[:k])
            raise ValueError(f"{path}: two columns have the same name {twice}; rename one")
        self.names = [n for n in names if not UNNAMED.match(n) and not n.startswith("__index_")]

    def _frame(self, keep: list[str]) -> "pd.DataFrame":
        _check_size(self.file.metadata.num_rows * len(keep))
        return self.file.read(columns=keep).to_pandas().reset_index(drop=True)[keep]

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"row {row + 1}"


def _check_size(numbers: int) -> None:
    if numbers > TABLE_NUMBERS:
        raise ValueError(f"it has more than {TABLE_NUMBERS} numbers; give fewer rows or columns")


def _parquet(path: Path) -> "pq.ParquetFile":
    try:
        refuse_stream(path)
    except FileNotFoundError:
        raise ValueError(f"no file {path}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(
            f"{path}: parquet needs pyarrow: pip install 'condfip-bench[arrow]', or save it as CSV"
        ) from None
    try:
        return pq.ParquetFile(path)
    except Exception as error:
        raise ValueError(f"{path} is no parquet file: {' '.join(str(error).split())}") from None


def _choose(
    names: Sequence[str], wanted: Sequence[str], every: bool
) -> tuple[list[str], list[str]]:
    """Columns to read and what is said about the others."""
    named = [name for name in names if name]
    if every or not wanted:
        return named, []
    nodes = set(wanted)
    keep = [name for name in named if name in nodes]
    rest = [name for name in named if name not in nodes]
    if not rest or not keep:
        return keep, []
    shown = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
    verb = "are" if len(rest) > 1 else "is"
    return keep, [f"{shown} {verb} in no edge: left out (--all-columns keeps)"]


def _parse(text: str, layout: Layout, keep: Sequence[str]) -> "pd.DataFrame":
    """The columns to keep, numbers where all of a column are."""
    import pandas as pd

    _check_size(len(keep) * text.count("\n"))
    refuse_long_rows(text, layout.separator, len(layout.names))
    place = {name: k for k, name in enumerate(layout.names)}
    places = [place[name] for name in keep]
    options = {"sep": layout.separator} if layout.separator != " " else {"sep": r"\s+"}
    rows = io.BytesIO(text.encode())  # a StringIO takes four bytes a character, and longer
    for _ in range(layout.skipped):
        rows.readline()
    try:
        frame = pd.read_csv(
            rows,
            header=None,
            names=range(len(layout.names)),
            usecols=places,
            index_col=False,
            decimal=layout.decimal,
            skipinitialspace=True,
            skip_blank_lines=True,
            low_memory=False,
            **options,
        )
    except (pd.errors.ParserError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return frame[places].set_axis(list(keep), axis=1)
