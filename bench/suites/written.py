"""Files of answers: rows with the ends of their intervals, and how far a bootstrap is."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.task import Dataset

if TYPE_CHECKING:
    import pandas as pd

BAR = 20  # characters


def write_rows(data: Dataset, path: Path, rows: "pd.DataFrame", ends: np.ndarray | None) -> None:
    """Writes rows, and for each node that the estimate is unsure of the ends of its interval.

    Args:
        data: whose columns these are, levels by their codes. ends: lower and upper, [2, N, D].
    """
    rows = data.table(rows.to_numpy(dtype=float))
    if ends is not None:
        wide = np.ptp(ends, axis=0).max(0) > 0
        wide[list(data.discrete)] = False  # a level has no ends
        for j in np.flatnonzero(wide):
            rows[f"{data.names[j]} (5 %)"] = ends[0][:, j]
            rows[f"{data.names[j]} (95 %)"] = ends[1][:, j]
    _replace(path, rows.to_csv(index=False))


def write_progress(folder: Path, label: str, done: int, count: int) -> None:
    """Says how many of a method's bootstrap fits are done."""
    _replace(folder / f"progress-{label}", f"{done}/{count}")


def read_progress(folder: Path, label: str) -> str:
    """A bar of a method's bootstrap fits, "" where none is known."""
    try:
        done, count = map(int, (folder / f"progress-{label}").read_text().split("/"))
    except (OSError, ValueError):
        return ""
    full = BAR * done // max(count, 1)
    return f"{'#' * full}{'.' * (BAR - full)} {done}/{count} fits"


def _replace(path: Path, text: str) -> None:
    """Writes a file; a link in its place is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
