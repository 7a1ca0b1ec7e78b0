"""Columns as float64: what a table must not lose on the way, and how a refusal says so."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LARGEST, SMALLEST = 1e140, 1e-140  # beyond these, squares leave float64
DIGITS_LOST = 1e-6  # of a column's deviation, by which rounding to float64 may move a value
EXACT = 2**53


def numbers(
    df: "pd.DataFrame | np.ndarray", place: Callable[[int], str] = lambda row: f"row {row + 1}"
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """The rows of a table as float64 [N, D], and its names; x0, x1, ... for arrays.

    `place` says where a row stands, for a refusal.

    Raises:
        ValueError: no rows, a repeated name, text, missing or infinite values, integers or units
            that float64 cannot hold.
    """
    if not hasattr(df, "columns"):
        array = np.asarray(df, dtype=np.float64)
        if array.ndim != 2:
            raise ValueError(f"a table has rows and columns, not shape {array.shape}")
        names = tuple(f"x{j}" for j in range(array.shape[1]))
        columns = list(array.T)
    else:
        if not df.columns.is_unique:
            twice = df.columns[df.columns.duplicated()][0]
            raise ValueError(f"two columns have the same name: {twice}; rename one")
        names = tuple(df.columns)
        columns = [_column(name, df[name]) for name in names]
    if not len(df):
        raise ValueError("the table has no rows")
    rows = np.empty((len(df), len(names)))
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        _check_values(name, column, place)
        rows[:, j] = column
    return rows, names


def _column(name: Hashable, column: "pd.Series") -> np.ndarray:
    kind = column.dtype.kind
    if kind not in "iufb":
        if hasattr(column.dtype, "categories"):
            raise ValueError(
                f"column {name} is a category, which is no number; load_method(...) takes it"
            )
        what = "dates" if kind in "Mm" else "text"
        raise ValueError(f"column {name} holds {what}, not numbers; leave it out or code it")
    if kind in "iu" and not column.isna().any():
        _check_integers(name, column.to_numpy())
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _check_integers(name: Hashable, values: np.ndarray) -> None:
    """Integers beyond 2^53 are rounded; that must be small beside how they vary."""
    if not len(values) or (int(values.max()) <= EXACT and int(values.min()) >= -EXACT):
        return
    rounded = values.astype(np.float64)
    moved = np.array([int(v) - int(r) for v, r in zip(values, rounded, strict=True)], dtype=float)
    low = int(values.min())
    spread = float(np.std([int(v) - low for v in values])) if len(values) > 1 else 0.0
    if np.abs(moved).max() > DIGITS_LOST * spread:
        raise ValueError(
            f"column {name} has integers beyond 2^53, which lose their last digits as float64; "
            f"subtract {low} from it (and in do)"
        )


def _check_values(name: Hashable, column: np.ndarray, place: Callable[[int], str]) -> None:
    missing = np.isnan(column)
    if missing.any():
        count, total = int(missing.sum()), len(column)
        raise ValueError(
            f"column {name} has NaN in {count} of {total} rows "
            f"(first: {place(int(missing.argmax()))}); drop these rows or fill them"
        )
    if np.isinf(column).any():
        where = place(int(np.isinf(column).argmax()))
        raise ValueError(f"column {name} has infinity in {where}; drop the row or fill it")
    largest, spread = float(np.abs(column).max()), float(np.ptp(column))
    if largest > LARGEST or 0 < spread < SMALLEST:
        raise ValueError(
            f"column {name} has values up to {largest:.3g}, whose squares leave float64; "
            "give it in another unit"
        )
