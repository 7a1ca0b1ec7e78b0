"""What a person writes after --do and --effect, as what do() takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.expression import Function
from bench.reading.names import hint
from bench.scm.columns import FLOAT, Column
from bench.scm.do import DRAWS, Do, Draw, Scale, Shift

if TYPE_CHECKING:
    import pandas as pd

FORMS = (
    "NAME=5, NAME=shift:+2, NAME=scale:1.1, NAME=column:OTHER, NAME=normal:MEAN,DEVIATION, "
    "NAME=uniform:LOW,HIGH or NAME=function:EXPRESSION in `value`"
)


Kinds = Mapping[str, Column]


@dataclass(frozen=True)
class FromColumn:
    """One value a row, from a column of the table, which need not be in the graph."""

    name: str


@dataclass(frozen=True)
class Question:
    """One --do: what is set, together, and how it was written."""

    text: str
    do: Mapping[str, Any]

    def over(self, table: "pd.DataFrame", kinds: Kinds | None = None) -> Do:
        """The do() for the rows of `table`, which has the columns that are asked for, by codes.

        Raises:
            ValueError: a column has text or no value.
        """
        kinds = kinds or {}
        return {n: _rows(n, value, table, kinds.get(n, FLOAT)) for n, value in self.do.items()}

    @property
    def columns(self) -> list[str]:
        """Columns whose values the question takes."""
        return [value.name for value in self.do.values() if isinstance(value, FromColumn)]


@dataclass(frozen=True)
class Effect:
    """--effect a=1,2 on=y: E[y | do(a = 2)] - E[y | do(a = 1)]."""

    text: str
    cause: str
    low: float
    high: float
    outcome: str


def parse_do(
    assignments: Sequence[str],
    names: Sequence[str],
    columns: Sequence[str] = (),
    kinds: Kinds | None = None,
) -> Question:
    """Reads the words after one --do; they are joint.

    Args:
        assignments: as "x=5" or "y=shift:+2". names: nodes. columns: of the table, default `names`.
        kinds: types of nodes, where they are not all floats; levels are then read as their codes.

    Raises:
        ValueError: an unknown node, one that is set twice, a value of none of the forms.
    """
    do: dict[str, Any] = {}
    for assignment in assignments:
        name, value = split(assignment, names, "--do")
        if name in do:
            raise ValueError(f"--do {assignment}: {name} is set twice")
        try:
            do[name] = _typed(name, value, columns or names, (kinds or {}).get(name, FLOAT))
        except ValueError as error:
            raise ValueError(f"--do {assignment}: {error}") from None
    if not do:
        raise ValueError(f"--do needs assignments: {FORMS}")
    return Question(" ".join(assignments), do)


def parse_effect(words: Sequence[str], names: Sequence[str], kinds: Kinds | None = None) -> Effect:
    """Reads the words after one --effect; `kinds` as of `parse_do`.

    Raises:
        ValueError: not of the form a=1,2 on=y, an unknown node.
    """
    text, form = " ".join(words), "--effect takes NAME=FROM,TO on=OUTCOME"
    outcomes = [word[3:] for word in words if word.startswith("on=")]
    causes = [word for word in words if not word.startswith("on=")]
    if len(outcomes) != 1 or len(causes) != 1:
        raise ValueError(f"--effect {text}: {form}")
    cause, values = split(causes[0], names, "--effect")
    try:
        kind = (kinds or {}).get(cause, FLOAT)
        low, high = (_level(cause, part, kind) for part in values.split(","))
    except ValueError as error:
        what = str(error) if kind != FLOAT else "two numbers"
        raise ValueError(f"--effect {text}: {form}, {what}") from None
    _known(outcomes[0], names, f"--effect {text}")
    if outcomes[0] == cause:
        raise ValueError(f"--effect {text}: {cause} is set; choose another outcome")
    return Effect(text, cause, low, high, outcomes[0])


def split(assignment: str, names: Sequence[str], option: str) -> tuple[str, str]:
    """A node and what follows its `=`; names that hold `=` too.

    Raises:
        ValueError: no `=`, an unknown node.
    """
    found = [name for name in names if assignment.startswith(f"{name}=")]
    if found:
        name = max(found, key=len)
        return name, assignment[len(name) + 1 :].strip()
    name, equals, _ = assignment.partition("=")
    if not equals:
        raise ValueError(f"{option} {assignment} is not of the form NAME=VALUE")
    _known(name.strip(), names, f"{option} {assignment}")
    return split(assignment.strip().replace(f"{name}=", f"{name.strip()}=", 1), names, option)


def _known(name: str, names: Sequence[str], where: str) -> None:
    if name not in names:
        raise ValueError(f"{where}: unknown column {name!r} ({hint(name, names)})")


def _typed(name: str, text: str, columns: Sequence[str], kind: Column) -> Any:
    """`_value` of a node whose type is known."""
    if kind.discrete and not text.startswith("column:"):
        return _level(name, text, kind)
    value = _value(name, text, columns)
    if kind.kind != "count":
        return value
    return _level(name, text, kind) if isinstance(value, float) else value


def _level(name: str, text: str, kind: Column) -> float:
    """A number, of a node with levels the code of one.

    Raises:
        ValueError: no such level.
    """
    if not kind.discrete:
        return float(kind.code(name, [_number(text)])[0])
    said = text.strip().lower()
    known = {str(level).lower(): code for code, level in enumerate(kind.levels)}
    if kind.kind == "bool":
        known |= {"0": 0, "1": 1, "no": 0, "yes": 1, "false": 0, "true": 1}
    if said not in known:
        raise ValueError(f"{name} {kind.allows}, not {text}")
    return float(known[said])


def _value(name: str, text: str, columns: Sequence[str]) -> Any:
    kind, colon, rest = text.partition(":")
    if not colon:
        return _plain(name, text)
    if kind == "shift":
        return Shift(_number(rest))
    if kind == "scale":
        return Scale(_number(rest))
    if kind == "column":
        _known(rest, columns, "column")
        return FromColumn(rest)
    if kind in DRAWS:
        parts = rest.split(",")
        if len(parts) != 2:
            raise ValueError(f"{kind} takes {DRAWS[kind]}")
        return Draw(kind, *(_number(part) for part in parts))
    if kind == "function":
        return Function(rest)
    raise ValueError(f"no such form: {FORMS}")


def _plain(name: str, text: str) -> float:
    if text.startswith("+"):
        bare = text.lstrip("+")
        raise ValueError(f"write {name}={bare} to set it, {name}=shift:{bare} to add to it")
    return _number(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number ({FORMS})") from None
    if not math.isfinite(number):
        raise ValueError(f"the value must be finite, not {text}")
    return number


def _rows(name: str, value: Any, table: "pd.DataFrame", kind: Column) -> Any:
    if not isinstance(value, FromColumn):
        return value
    column = table[value.name]
    if kind != FLOAT:
        codes = kind.code(name, column.array)
        if np.isnan(codes).any():
            raise ValueError(
                f"column {value.name} lacks a value in {int(np.isnan(codes).sum())} rows"
            )
        return codes
    if column.dtype.kind not in "iufb":
        raise ValueError(f"column {value.name} holds text, not one number a row")
    rows = column.to_numpy(dtype=np.float64)
    if not np.isfinite(rows).all():
        missing = int((~np.isfinite(rows)).sum())
        raise ValueError(f"column {value.name} lacks a number in {missing} of {len(rows)} rows")
    return rows


def pack(do: Do, names: Sequence[str]) -> tuple[list[list], list[np.ndarray]]:
    """A do() as words that JSON holds, and its values a row; without Python functions.

    Raises:
        ValueError: a Python function, which does not travel.
    """
    words, rows = list[list](), list[np.ndarray]()
    told: list[Any]
    for name, value in do.items():
        match value:
            case Shift(amount=number):
                told = ["shift", float(number)]
            case Scale(factor=number):
                told = ["scale", float(number)]
            case Draw(kind=kind, first=first, second=second):
                told = [kind, float(first), float(second)]
            case Function(text=text):
                told = ["function", text]
            case _ if callable(value):
                raise ValueError(f"do({name}): a Python function does not leave its process")
            case _ if np.ndim(value):
                told = ["rows", len(rows)]
                rows.append(np.asarray(value, dtype=np.float64))
            case _:
                told = ["number", float(value)]
        words.append([names.index(name), *told])
    return words, rows


def unpack(words: list[list], rows: Sequence[np.ndarray], names: Sequence[str]) -> dict[str, Any]:
    """Makes the do() that `pack` packed."""
    makes: dict[str, Callable] = {
        "shift": Shift,
        "scale": Scale,
        "function": Function,
        "rows": lambda k: rows[k],
        "number": float,
        **{kind: partial(Draw, kind) for kind in DRAWS},
    }
    return {names[int(j)]: makes[kind](*told) for j, kind, *told in words}
