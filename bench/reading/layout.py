"""How a delimited text is cut into cells: separator, header, decimal mark."""

import io
import re
from dataclasses import dataclass

from bench.reading.cells import is_number
from bench.reading.rows import cut, refuse_long_row, refuse_returns
from bench.reading.text import SAMPLE, separator_of

UNNAMED = re.compile(r"(Unnamed: \d+)?$")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?$")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Layout:
    """How a text is cut: names of the header, one a column, and where its rows begin.

    Attributes:
        separator: of cells.
        decimal: the mark in numbers.
        names: of the header, "" for none.
        skipped: lines up to the first row.
        notes: a line for each thing unlike a plain table.
    """

    separator: str
    decimal: str
    names: list[str]
    skipped: int
    notes: list[str]


def layout_of(text: str) -> Layout:
    """Finds how a text is cut.

    Raises:
        ValueError: no header, no rows, two columns of one name, a row longer than the header,
            a carriage return within a line.
    """
    refuse_returns(text)
    separator = separator_of(text)
    header: list[str] = []
    skipped, rows = 0, list[tuple[int, list[str]]]()
    for number, row in cut(io.StringIO(text), separator):
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header, skipped = [cell.strip() for cell in row], number
        elif len(rows) < SAMPLE:
            rows.append((number, row))
        else:
            break
    if not rows:
        raise ValueError("it has a header and no rows" if header else "it is empty")
    notes = [] if separator == "," else [f"cells are separated by {_said(separator)}"]
    names = _names(header, [row for _, row in rows], notes)
    for number, row in rows:
        refuse_long_row(number, len(row), len(names))
    if all(is_number(name) for name in names if name):
        raise ValueError(f"line 1: {names[0]} is no name; give the table a header of names")
    decimal = _decimal([cell for _, row in rows for cell in row], separator)
    if decimal == ",":
        notes.append("decimal mark: comma")
    return Layout(separator, decimal, names, skipped, notes)


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
    seen: dict[str, int] = {}
    for k, name in enumerate(names):
        if name and (first := seen.setdefault(name, k) + 1) <= k:
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
