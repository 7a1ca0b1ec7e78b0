"""Cells without a value: rows that have some are dropped, kept for imputation, or refused."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("drop", "impute", "error")


def without_holes(frame: "pd.DataFrame", missing: str) -> "tuple[pd.DataFrame, list[str]]":
    """The rows to use, their index that of the given ones, and what is said of those with holes.

    Args:
        missing: one of `MISSING`; "error" leaves them to whoever refuses them.

    Raises:
        ValueError: it is none of these; a column has no value at all.
    """
    if missing not in MISSING:
        raise ValueError(f"missing is one of {', '.join(MISSING)}, not {missing!r}")
    holes = frame.isna()
    holed = holes.any(axis=1)
    if missing == "error" or not holed.any():
        return frame, []
    if holes.all().any():
        name = frame.columns[int(holes.all().to_numpy().argmax())]
        raise ValueError(f"column {name} has no value in any row; take it out of the graph")
    counts = ", ".join(f"{name} {count}" for name, count in holes.sum().items() if count)
    if missing == "drop":
        said = f"{int(holed.sum())} of {len(frame)} rows lack a value ({counts}): dropped"
        return _plain(frame[~holed]), [f"{said} (--missing impute fills them)"]
    empty = holes.all(axis=1)
    said = f"{int(holed.sum())} of {len(frame)} rows lack a value ({counts}): imputed"
    said += ", scores are of the complete rows"
    return frame[~empty], [said]


def _plain(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Without holes no column needs a dtype that holds them."""
    plain = frame.copy(deep=False)
    for name, column in frame.items():
        if str(column.dtype) in ("Int64", "boolean"):
            plain[name] = column.astype("int64" if column.dtype.kind == "i" else bool)
    return plain
