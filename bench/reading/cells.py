"""Cells of a text that are numbers, and a refusal that names the first that is none."""

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LONG = 2**63
NUMBER = re.compile(
    r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)[ \t\r]*", re.ASCII | re.IGNORECASE
)


def refuse_text(
    frame: "pd.DataFrame", decimal: str, place: Callable[[int], str], levels: Collection[str] | None
) -> None:
    """Names the first cell that is no number in a column of numbers, or too long a one.

    Args:
        levels: columns that may hold anything; None: no column may hold text. Where it is given, a
            column without any number is taken for levels too.

    Raises:
        ValueError: there is such a cell.
    """
    for name, column in frame.items():
        if column.dtype.kind in "iufb" or name in (levels or ()):
            continue
        numeric = column.map(lambda cell: is_number(cell, decimal))
        some = column.dropna()
        if levels is not None and not some.map(lambda cell: _like_number(cell)).any():
            continue
        bad = (~numeric.astype(bool) & column.notna()).to_numpy()
        if bad.any():
            first, count = int(bad.argmax()), int(bad.sum())
            more = f" (and {count - 1} more)" if count > 1 else ""
            raise ValueError(
                f"column {name} holds text, not numbers: {place(first)} has "
                f"{str(column.iloc[first])[:30]!r}{more}; correct it, or code it as numbers"
            )
        if decimal == ".":
            _refuse_long(name, column, place)


def _like_number(cell: object) -> bool:
    """With whatever decimal mark; no truth value, which is a level."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return False
    return (
        is_number(cell, ".") or is_number(cell, ",") or is_number(str(cell).replace(".", ""), ",")
    )


def is_number(cell: object, decimal: str = ".") -> bool:
    """Whether a cell is a number under a decimal mark, as pandas reads them.

    Python's `float` also takes 1_000, digits of other scripts and white space other than blanks.
    """
    text = str(cell) if decimal == "." else str(cell).replace(".", " ").replace(decimal, ".")
    return NUMBER.fullmatch(text) is not None


def _refuse_long(name: object, column: "pd.Series", place: Callable[[int], str]) -> None:
    """Refuses integers that pandas leaves as text or objects, as they fit no 64 bits."""
    long = column.map(_is_long).to_numpy(dtype=bool)
    if long.any():
        first = int(long.argmax())
        raise ValueError(
            f"column {name} has an integer beyond 2^63, which loses its last digits as float64: "
            f"{place(first)} has {str(column.iloc[first])[:30]!r}; give it in another unit, or "
            "make it a category where it is a label"
        )


def _is_long(cell: object) -> bool:
    number = float(cell) if isinstance(cell, str) else cell
    return isinstance(number, int | float) and abs(number) >= LONG
