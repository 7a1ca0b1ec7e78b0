"""Cells of a text that are numbers, and a refusal that names the first that is none."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def refuse_text(
    frame: "pd.DataFrame", decimal: str, place: Callable[[int], str], levels: Collection[str] | None
) -> None:
    """Names the first cell that is no number in a column of numbers.

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


def _like_number(cell: object) -> bool:
    """With whatever decimal mark; no truth value, which is a level."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return False
    return (
        is_number(cell, ".") or is_number(cell, ",") or is_number(str(cell).replace(".", ""), ",")
    )


def is_number(cell: object, decimal: str = ".") -> bool:
    """Whether a cell is a number under a decimal mark."""
    text = str(cell) if decimal == "." else str(cell).replace(".", " ").replace(decimal, ".")
    try:
        float(text)
    except ValueError:
        return False
    return True
