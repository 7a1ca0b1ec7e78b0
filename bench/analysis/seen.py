"""What pretrained methods met in training, in words for a caption."""

import pandas as pd

VERDICTS = (True, "partly", False)
WORDS = tuple(str(verdict).lower() for verdict in VERDICTS)


def told(frame: pd.DataFrame, column: str) -> str:
    """A sentence for each method that says so of any cell; "" where none does.

    Args:
        frame: a row a cell, with `seen_in_training`. column: the axis that verdicts are told by,
            "" where one verdict of each suite will do.
    """
    known = frame[frame["seen_in_training"].isin(VERDICTS)]
    axis = column if column in frame else "suite"
    sentences = [
        f"{method} {_verdicts(rows, axis)}" for method, rows in known.groupby("method", sort=False)
    ]
    return f"Seen in training: {'; '.join(sentences)}. " if sentences else ""


def _verdicts(rows: pd.DataFrame, axis: str) -> str:
    """true of some values of the axis, false of others; the values unnamed where all are alike."""
    places: dict[str, list[str]] = {}
    for value, some in rows.groupby(axis, sort=False):
        places.setdefault(_verdict(some["seen_in_training"]), []).append(str(value))
    if len(places) == 1:
        return next(iter(places))
    words = (word for word in WORDS if word in places)
    return ", ".join(f"{word} ({', '.join(places[word])})" for word in words)


def _verdict(seen: pd.Series) -> str:
    """One word of cells: "partly" also where some are true and others are not."""
    words = {str(value).lower() for value in seen}
    return words.pop() if len(words) == 1 else "partly"
