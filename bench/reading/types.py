"""The dtypes of a table's columns: found in what the cells hold, or as a person says."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.names import hint
from bench.scm.columns import KINDS, column_of

if TYPE_CHECKING:
    import pandas as pd

LEVELS_MOST = 20  # that a text may have to be a category without a word
YES = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}


def parse_types(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Reads the words after --types, as x=category or x=category,y=float.

    Raises:
        ValueError: an unknown column or type, a column that is named twice.
    """
    found: dict[str, str] = {}
    for text in (part for words in texts for part in words.split(",")):
        name, equals, kind = (part.strip() for part in text.rpartition("="))
        if not equals or kind not in KINDS:
            raise ValueError(f"--types {text}: write COLUMN=TYPE, with {', '.join(KINDS)}")
        if name not in names:
            raise ValueError(f"--types {text}: unknown column {name!r} ({hint(name, names)})")
        if name in found:
            raise ValueError(f"--types {text}: {name} has a type already")
        found[name] = kind
    return found


def with_types(
    frame: "pd.DataFrame", asked: Mapping[str, str], place: Callable[[int], str]
) -> "pd.DataFrame":
    """The columns with the dtypes that are asked for, else those that their cells have.

    Text is a category, whole numbers with holes are whole numbers. `place` says where a row stands.

    Raises:
        ValueError: a cell that its column's type has not, too many levels.
    """
    makes = {"float": _floats, "count": _counts, "bool": _bools, "category": _categories}
    typed = frame.copy(deep=False)
    for name, column in frame.items():
        make = makes[asked[name]] if name in asked else _found
        typed[name] = make(name, column, place)
    return typed


def describe(frame: "pd.DataFrame") -> str:
    """The columns by their types, in words."""
    kinds: dict[str, list[str]] = {}
    for name, column in frame.items():
        kinds.setdefault(column_of(column).about, []).append(str(name))
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())


def _found(name: str, column: "pd.Series", place: Callable[[int], str]) -> "pd.Series":
    kind, some = column.dtype.kind, column.dropna()
    if kind in "iub" or hasattr(column.dtype, "categories"):
        return column
    if kind == "f":
        holed = len(some) < len(column) and len(some) and (some == np.rint(some)).all()
        return column.astype("Int64") if holed and some.abs().max() < 2**53 else column
    if some.map(lambda cell: isinstance(cell, bool)).all():
        return column.astype("boolean")
    levels = some.nunique()
    if levels > LEVELS_MOST:
        first = int(column.notna().to_numpy().argmax())
        raise ValueError(
            f"column {name} holds text, not numbers: {place(first)} has "
            f"{str(some.iloc[0])[:30]!r}, and {levels} different ones; leave it out of the graph, "
            f"or say --types {name}=category"
        )
    return _categories(name, column, place)


def _categories(name: str, column: "pd.Series", place: Callable[[int], str]) -> "pd.Series":
    import pandas as pd

    if hasattr(column.dtype, "categories"):
        return column
    levels = column.dropna().unique().tolist()
    levels = sorted(levels, key=lambda level: (isinstance(level, str), level))
    return pd.Series(pd.Categorical(column, categories=levels), index=column.index)


def _floats(name: str, column: "pd.Series", place: Callable[[int], str]) -> "pd.Series":
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    _refuse(name, column, numbers.isna(), "float", place)
    return numbers.astype(np.float64)


def _counts(name: str, column: "pd.Series", place: Callable[[int], str]) -> "pd.Series":
    numbers = _floats(name, column, place)
    _refuse(name, column, numbers != np.rint(numbers), "count", place)
    whole = numbers.astype("Int64")
    return whole if whole.isna().any() else whole.astype(np.int64)


def _bools(name: str, column: "pd.Series", place: Callable[[int], str]) -> "pd.Series":
    import pandas as pd

    said = column.map(lambda cell: YES.get(_word(cell)), na_action="ignore")
    said = said.astype(object).where(column.notna(), None)
    _refuse(name, column, pd.Series([s is None for s in said], index=column.index), "bool", place)
    truth = said.astype("boolean")
    return truth if truth.isna().any() else truth.astype(bool)


def _word(cell: Any) -> str:
    whole = isinstance(cell, float) and cell == int(cell)
    return str(int(cell) if whole else cell).strip().lower()


def _refuse(
    name: str,
    column: "pd.Series",
    bad: "pd.Series",
    kind: str,
    place: Callable[[int], str],
) -> None:
    wrong = (bad & column.notna()).to_numpy(dtype=bool)
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"column {name} is no {kind}: {place(first)} has {str(column.iloc[first])[:30]!r}"
        )
