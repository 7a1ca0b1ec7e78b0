"""Tables on disk: delimited text in the forms that people export, and parquet."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.reading.cells import is_number, refuse_text
from bench.reading.text import SAMPLE, read_text, separator_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

TABLE_BYTES = 2**30
TABLE_NUMBERS = 2**28
UNNAMED = re.compile(r"(Unnamed: \d+)?$")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?$")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?$")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """Columns of a file, numbers, and a line for each thing that was found or left out."""

    frame: "pd.DataFrame"
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """How a text is cut: names of the header, one a column, and where its rows begin."""

    separator: str
    decimal: str
    names: list[str]
    skipped: int
    notes: list[str]


def open_table(path: Path) -> "TextTable | ParquetTable":
    """A table whose names are read and whose rows are not yet.

    Args:
        path: of a text file, maybe .gz, .bz2 or .xz, or a parquet file.

    Raises:
        ValueError: what cannot be read, with file, line and remedy.
    """
    path = Path(path)
    return ParquetTable(path) if path.suffix.lower() in PARQUET else TextTable(path)


class TextTable:
    """A delimited text; separator and decimal mark are found, NA and null are names as any."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, read_text(path, TABLE_BYTES)
        try:
            self.layout = _layout(self.text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        self.names = [name for name in self.layout.names if name]

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
            ValueError: text in one of them, rows of another length.
        """
        keep, notes = _choose(self.names, wanted, every)
        try:
            frame = _parse(self.text, self.layout, keep)
            refuse_text(frame, self.layout.decimal, self.place, levels)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        return Table(frame, (*self.layout.notes, *notes))

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        lines = (k for k, line in enumerate(self.text.split("\n"), 1) if line.strip())
        after = [k for k in lines if k > self.layout.skipped]
        return (
            f"line {after[row]}" if row < len(after) and '"' not in self.text else f"row {row + 1}"
        )


class ParquetTable:
    """A parquet file; needs pyarrow."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, _parquet(path)
        names = [str(name) for name in self.file.schema_arrow.names]
        if len(set(names)) < len(names):
            twice = next(n for k, n in enumerate(names) if n in names[:k])
            raise ValueError(f"{path}: two columns have the same name {twice}; rename one")
        self.names = [n for n in names if not UNNAMED.match(n) and not n.startswith("__index_")]

    def read(
        self,
        wanted: Sequence[str] = (),
        every: bool = False,
        levels: Collection[str] | None = None,
    ) -> Table:
        """See `TextTable`."""
        keep, notes = _choose(self.names, wanted, every)
        if self.file.metadata.num_rows * len(keep) > TABLE_NUMBERS:
            raise ValueError(f"{self.path} has more than {TABLE_NUMBERS} numbers; give fewer rows")
        frame = self.file.read(columns=keep).to_pandas().reset_index(drop=True)[keep]
        try:
            refuse_text(frame, ".", self.place, levels)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        return Table(frame, tuple(notes))

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"row {row + 1}"


def _parquet(path: Path) -> "pq.ParquetFile":
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(
            f"{path}: parquet needs pyarrow: pip install 'condfip-bench[arrow]', or save it as CSV"
        ) from None
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise ValueError(f"no file {path}") from None
    except Exception as error:
        raise ValueError(f"{path} is no parquet file: {' '.join(str(error).split())}") from None


def _layout(text: str) -> _Layout:
    separator = separator_of(text)
    reader = _cells(io.StringIO(text), separator)
    header: list[str] = []
    skipped, rows = 0, list[tuple[int, list[str]]]()
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header, skipped = [cell.strip() for cell in row], reader.line_num
        elif len(rows) < SAMPLE:
            rows.append((reader.line_num, row))
        else:
            break
    if not rows:
        raise ValueError("it has a header and no rows" if header else "it is empty")
    notes = [] if separator == "," else [f"cells are separated by {_said(separator)}"]
    names = _names(header, [row for _, row in rows], notes)
    for number, row in rows:
        if len(row) > len(names):
            raise ValueError(f"line {number} has {len(row)} cells, the header {len(names)}")
    if all(is_number(name) for name in names if name):
        raise ValueError(f"line 1: {names[0]} is no name; give the table a header of names")
    decimal = _decimal([cell for _, row in rows for cell in row], separator)
    if decimal == ",":
        notes.append("decimal mark: comma")
    return _Layout(separator, decimal, names, skipped, notes)


def _cells(lines: io.StringIO, separator: str) -> "Lines":
    if separator == " ":
        return _Words(lines)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


class Lines(Protocol):
    """What reads cells line by line, as `csv.reader` does."""

    @property
    def line_num(self) -> int:
        """Lines read so far."""

    def __iter__(self) -> Iterator[list[str]]:
        """The cells of each line."""


class _Words:
    """`csv.reader` for cells between any white space."""

    def __init__(self, lines: io.StringIO) -> None:
        self.lines, self.line_num = lines, 0

    def __iter__(self) -> "_Words":
        return self

    def __next__(self) -> list[str]:
        line = next(self.lines)
        self.line_num += 1
        return [word.strip('"') for word in line.split()]


def _said(separator: str) -> str:
    return {";": "semicolons", "\t": "tabs", "|": "bars", " ": "white space"}[separator]


def _names(header: list[str], rows: list[list[str]], notes: list[str]) -> list[str]:
    """A name for each cell of a row; "" where a column has none."""
    if all(len(row) == len(header) + 1 for row in rows):
        if all(not row[-1].strip() for row in rows):
            return [*header, ""]
        notes.append("the first cell of each row is under no header: left out")
        header = ["", *header]
    names = ["" if UNNAMED.match(name) else name for name in header]
    for k, name in enumerate(names):
        if name and name in names[:k]:
            first = names.index(name) + 1
            raise ValueError(
                f"line 1: columns {first} and {k + 1} have the same name {name}; rename one"
            )
    nameless = [k + 1 for k, name in enumerate(header) if not names[k]]
    if nameless and len(header) == len(rows[0]):
        notes.append(f"column {nameless[0]} has no name and no edge (an index?): left out")
    return names


def _decimal(cells: list[str], separator: str) -> str:
    if separator == ",":
        return "."
    comma, point = (
        sum(bool(mark.match(cell.strip())) for cell in cells)
        for mark in (DECIMAL_COMMA, DECIMAL_POINT)
    )
    return "," if comma and comma >= point else "."


def _choose(
    names: Sequence[str], wanted: Sequence[str], every: bool
) -> tuple[list[str], list[str]]:
    """Columns to read and what is said about the others."""
    named = [name for name in names if name]
    if every or not wanted:
        return named, []
    keep = [name for name in named if name in set(wanted)]
    rest = [name for name in named if name not in set(wanted)]
    if not rest or not keep:
        return keep, []
    shown = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
    verb = "are" if len(rest) > 1 else "is"
    return keep, [f"{shown} {verb} in no edge: left out (--all-columns keeps)"]


def _parse(text: str, layout: _Layout, keep: Sequence[str]) -> "pd.DataFrame":
    """The columns to keep, numbers where all of a column are."""
    import pandas as pd

    if len(keep) * text.count("\n") > TABLE_NUMBERS:
        raise ValueError(f"it has more than {TABLE_NUMBERS} numbers; give fewer rows or columns")
    places = [layout.names.index(name) for name in keep]
    options = {"sep": layout.separator} if layout.separator != " " else {"sep": r"\s+"}
    rows = io.StringIO(text)
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
        raise ValueError(_parser_said(error, layout)) from None
    return frame[places].set_axis(list(keep), axis=1)


def _parser_said(error: Exception, layout: _Layout) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if not found:
        return " ".join(str(error).split())
    line = int(found[2]) + layout.skipped
    return f"line {line} has {found[3]} cells, the header {len(layout.names)}"
