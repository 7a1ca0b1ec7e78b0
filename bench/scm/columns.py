"""What a column holds: floats, counts, yes and no, or categories; and its values as numbers.

Rows are float64 everywhere inside. A count is itself, yes and no are 1 and 0, a category is the
place of its level; tables in and out have the dtypes that were given.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.scm.do import Do, Draw, Scale, Shift

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("float", "count", "bool", "category")


@dataclass(frozen=True)
class Column:
    """The type of a table's column, and how its values are coded as numbers.

    Attributes:
        kind: one of `KINDS`.
        dtype: of tables.
        levels: of a category, in their order, or what 0 and 1 stand for.
        ordered: whether the dtype says so.
        least: of a count, None: no bound.
    """

    kind: str = "float"
    dtype: str = "float64"
    levels: tuple[Hashable, ...] = ()
    ordered: bool = False
    least: float | None = None

    @property
    def discrete(self) -> bool:
        """Whether its values are levels, not numbers."""
        return bool(self.levels)

    @property
    def about(self) -> str:
        """For people: the kind, and the levels of a category."""
        return f"category of {len(self.levels)}" if self.kind == "category" else self.kind

    def code(self, name: Hashable, values: Any) -> np.ndarray:
        """Values [N] as numbers, NaN where one is missing.

        Raises:
            ValueError: a value that such a column cannot have.
        """
        import pandas as pd

        series = pd.Series(values)
        if self.kind == "category":
            codes = np.asarray(pd.Index(self.levels).get_indexer(series), dtype=np.float64)
            wrong = (codes < 0) & series.notna().to_numpy()
            codes[codes < 0] = np.nan
        else:
            codes = _numbers(name, series, self)
            known = np.isin(codes, (0, 1)) if self.discrete else codes == np.rint(codes)
            wrong = ~known & ~np.isnan(codes) & (self.kind != "float")
        if wrong.any():
            raise ValueError(f"{name} {self.allows}, not {series[int(wrong.argmax())]}")
        return codes

    @property
    def allows(self) -> str:
        """What its values may be, in words."""
        if self.kind == "category":
            return f"is one of {', '.join(map(str, self.levels[:8]))}"
        if self.kind == "bool":
            return f"is {self.levels[0]} or {self.levels[1]}"
        if self.kind == "count":
            return "is a count and takes whole numbers (make it float for others)"
        return "takes numbers"

    def decode(self, codes: np.ndarray) -> Any:
        """What `code` coded, as a table holds it."""
        import pandas as pd

        if self.kind == "category":
            whole = np.rint(codes).astype(int)
            dtype = pd.CategoricalDtype(list(self.levels), self.ordered)
            return pd.Categorical.from_codes(whole, dtype=dtype)
        if self.kind == "float":
            return codes
        return pd.array(np.rint(codes).astype(np.int64)).astype(self.dtype)

    def keep(self, values: np.ndarray) -> np.ndarray:
        """Numbers [N] made values of a count."""
        if self.kind != "count":
            return values
        return np.rint(values).clip(min=self.least)


FLOAT = Column()


def _numbers(name: Hashable, series: "pd.Series", column: Column) -> np.ndarray:
    try:
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(f"{name} {column.allows}, not text") from None


def column_of(series: "pd.Series") -> Column:
    """The type that a column's dtype says; whole numbers that are all 0 or 1 are yes and no."""
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        levels = tuple(dtype.categories.tolist())
        return Column("category", "category", levels, bool(dtype.ordered))
    if dtype.kind == "b":
        return Column("bool", str(dtype), (False, True))
    if dtype.kind not in "iu" or not series.notna().any():
        return FLOAT
    if series.dropna().isin((0, 1)).all():
        return Column("bool", str(dtype), (0, 1))
    least = 0.0 if series.min() >= 0 else None
    return Column("count", str(dtype), least=least)


def coded_columns(df: Any) -> tuple[Any, tuple[Column, ...]]:
    """A table with its categories as codes, and the types of its columns, () for floats alone."""
    if not hasattr(df, "columns") or not df.columns.is_unique:
        return df, ()
    columns = tuple(column_of(df[name]) for name in df.columns)
    if all(column == FLOAT for column in columns):
        return df, ()
    coded = df.copy(deep=False)
    for name, column in zip(df.columns, columns, strict=True):
        if column.kind == "category":
            coded[name] = column.code(name, df[name].array)
    return coded, columns


def pack(columns: Sequence[Column]) -> list[list]:
    """Writes columns as lists that JSON can hold; `unpack` reads them."""
    return [[c.kind, c.dtype, list(c.levels), c.ordered, c.least] for c in columns]


def unpack(packed: Sequence[Sequence]) -> tuple[Column, ...]:
    """The columns that `pack` wrote as lists."""
    return tuple(Column(k, d, tuple(levels), o, least) for k, d, levels, o, least in packed)


def codes_of(
    table: "pd.DataFrame", names: Sequence[Hashable], columns: Sequence[Column]
) -> np.ndarray:
    """A table's rows as numbers [N, D], NaN where values are missing.

    Raises:
        ValueError: a column is missing, or holds what its type has not.
    """
    lacks = [name for name in names if name not in table.columns]
    if lacks:
        raise ValueError(f"unknown columns: the table lacks {', '.join(map(str, lacks))}")
    rows = np.empty((len(table), len(names)))
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        rows[:, j] = column.code(name, table[name].array)
    return rows


def table_of(
    rows: np.ndarray, names: Sequence[Hashable], columns: Sequence[Column], index: Any = None
) -> "pd.DataFrame":
    """The table of rows [N, D] as `codes_of` coded them."""
    import pandas as pd

    series = [pd.Series(c.decode(codes)) for c, codes in zip(columns, rows.T, strict=True)]
    table = pd.concat(series, axis=1) if series else pd.DataFrame(rows)
    table.columns = pd.Index(list(names), dtype=object if not _texts(names) else None)
    return table if index is None else table.set_axis(index, axis=0)


def _texts(names: Sequence[Hashable]) -> bool:
    return all(isinstance(name, str) for name in names)


def code_do(
    do: Do | None, names: Sequence[Hashable], columns: Sequence[Column], coded: bool = False
) -> dict[str, Any]:
    """A do() over a table as one over its codes; `coded`: its values are codes already.

    Raises:
        ValueError: a value that its column cannot have, a shift of levels.
    """
    kinds = dict(zip(names, columns, strict=True))
    return {
        name: value
        if name not in kinds or (coded and not callable(value))
        else _coded(name, value, kinds[name])
        for name, value in (do or {}).items()
    }


def _coded(name: Hashable, value: Any, column: Column) -> Any:
    if column.kind == "float" or value is None:
        return value
    if column.discrete and isinstance(value, Shift | Scale | Draw):
        raise ValueError(f"do({name}): {name} {column.allows}; it has no shift, scale or draw")
    if isinstance(value, Draw):
        raise ValueError(f"do({name}): {name} {column.allows}; it takes no draw")
    if callable(value):
        return Coded(name, value, column)
    many = np.ndim(value) == 1
    codes = column.code(name, value if many else [value])
    if np.isnan(codes).any():
        raise ValueError(f"do({name}) needs a value, not a missing one")
    return codes if many else float(codes[0])


@dataclass(frozen=True)
class Coded:
    """A change of a column's values, over their codes; numbers are rounded for a count."""

    name: Hashable
    change: Any
    column: Column

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes [N] -> [N]."""
        if not self.column.discrete:
            return self.column.keep(np.asarray(self.change(codes), dtype=np.float64))
        changed = self.change(np.asarray(self.column.decode(codes)))
        if np.ndim(changed) == 0:
            changed = [changed] * len(codes)
        return self.column.code(self.name, changed)
