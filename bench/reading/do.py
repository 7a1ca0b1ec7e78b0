"""What a person writes after --do and --effect, as what do() takes."""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.names import hint
from bench.scm.do import DRAWS, Do, Draw, Scale, Shift

if TYPE_CHECKING:
    import pandas as pd

FORMS = (
    "NAME=5, NAME=shift:+2, NAME=scale:1.1, NAME=column:OTHER, NAME=normal:MEAN,DEVIATION, "
    "NAME=uniform:LOW,HIGH or NAME=function:EXPRESSION in `value`"
)


@dataclass(frozen=True)
class Column:
    """One value a row, from a column of the table, which need not be in the graph."""

    name: str


@dataclass(frozen=True)
class Question:
    """One --do: what is set, together, and how it was written."""

    text: str
    do: Mapping[str, Any]

    def over(self, table: "pd.DataFrame") -> Do:
        """The do() for the rows of `table`, which has the columns that are asked for.

        Raises:
            ValueError: a column has text or no value.
        """
        return {name: _rows(value, table) for name, value in self.do.items()}

    @property
    def columns(self) -> list[str]:
        """Columns whose values it takes."""
        return [value.name for value in self.do.values() if isinstance(value, Column)]


@dataclass(frozen=True)
class Effect:
    """--effect a=1,2 on=y: E[y | do(a = 2)] - E[y | do(a = 1)]."""

    text: str
    cause: str
    low: float
    high: float
    outcome: str


def parse_do(
    assignments: Sequence[str], names: Sequence[str], columns: Sequence[str] = ()
) -> Question:
    """Reads the words after one --do; they are joint.

    Args:
        assignments: as "x=5" or "y=shift:+2". names: nodes. columns: of the table, default `names`.

    Raises:
        ValueError: an unknown node, one that is set twice, a value of none of the forms.
    """
    do: dict[str, Any] = {}
    for assignment in assignments:
        name, value = split(assignment, names, "--do")
        if name in do:
            raise ValueError(f"--do {assignment}: {name} is set twice")
        try:
            do[name] = _value(name, value, columns or names)
        except ValueError as error:
            raise ValueError(f"--do {assignment}: {error}") from None
    if not do:
        raise ValueError(f"--do needs assignments: {FORMS}")
    return Question(" ".join(assignments), do)


def parse_effect(words: Sequence[str], names: Sequence[str]) -> Effect:
    """Reads the words after one --effect.

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
        low, high = (_number(part) for part in values.split(","))
    except ValueError:
        raise ValueError(f"--effect {text}: {form}, two numbers") from None
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
        return Column(rest)
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


def _rows(value: Any, table: "pd.DataFrame") -> Any:
    if not isinstance(value, Column):
        return value
    column = table[value.name]
    if column.dtype.kind not in "iufb":
        raise ValueError(f"column {value.name} holds text, not one number a row")
    rows = column.to_numpy(dtype=np.float64)
    if not np.isfinite(rows).all():
        missing = int((~np.isfinite(rows)).sum())
        raise ValueError(f"column {value.name} lacks a number in {missing} of {len(rows)} rows")
    return rows


OPERATIONS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "max": np.maximum,
    "min": np.minimum,
    "round": np.round,
    "sqrt": np.sqrt,
}


class Function:
    """An expression in `value`, as "min(value, 50)"; arithmetic only, nothing is executed.

    Raises:
        ValueError: anything but numbers, `value`, + - * / **, and the known functions.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, RecursionError, MemoryError, ValueError):
            raise ValueError(f"{text!r} is no expression") from None
        self._evaluate(self.tree, np.ones(1))

    def __call__(self, natural: np.ndarray) -> np.ndarray:
        """Values [N] -> [N]."""
        return self._evaluate(self.tree, natural)

    def __repr__(self) -> str:
        return f"function:{self.text}"

    def _evaluate(self, node: ast.AST, value: np.ndarray) -> Any:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is used
            match node:
                case ast.Constant(value=int() | float() as number):
                    return np.float64(number)
                case ast.Name(id="value"):
                    return value
                case ast.BinOp() if type(node.op) in OPERATIONS:
                    sides = (self._evaluate(side, value) for side in (node.left, node.right))
                    return OPERATIONS[type(node.op)](*sides)
                case ast.UnaryOp() if type(node.op) in OPERATIONS:
                    return OPERATIONS[type(node.op)](self._evaluate(node.operand, value))
                case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS and not node.keywords:
                    try:
                        return FUNCTIONS[name](*(self._evaluate(a, value) for a in node.args))
                    except (TypeError, ValueError):
                        raise ValueError(f"{name} with {len(node.args)} arguments") from None
        known = ", ".join(FUNCTIONS)
        raise ValueError(f"{ast.unparse(node)!r} is not read; numbers, value, + - * / **, {known}")


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
