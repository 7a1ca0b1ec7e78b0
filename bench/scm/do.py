"""What do() may set a node to: a number, one value a row, or a change of what it would be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]
Do = Mapping[str, Any]  # column -> number | one number a row | Shift | Scale | Draw | function
KINDS = "a number, one number a row, Shift, Scale, Draw or a function"
DRAWS = {"normal": "mean,deviation", "uniform": "low,high"}


@dataclass(frozen=True)
class Shift:
    """The value that the node would have, plus `amount`."""

    amount: float

    def __call__(self, natural: np.ndarray) -> np.ndarray:
        """Values [N] -> [N]."""
        return natural + self.amount


@dataclass(frozen=True)
class Scale:
    """The value that the node would have, times `factor`."""

    factor: float

    def __call__(self, natural: np.ndarray) -> np.ndarray:
        """Values [N] -> [N]."""
        return natural * self.factor


@dataclass(frozen=True)
class Draw:
    """A draw for each row, whatever the node would be.

    Args:
        kind: "normal" (mean, deviation) or "uniform" (low, high). first, second: its parameters.

    Raises:
        ValueError: another kind, or parameters without such a distribution.
    """

    kind: str
    first: float
    second: float

    def __post_init__(self) -> None:
        if self.kind not in DRAWS:
            raise ValueError(f"a draw is {' or '.join(DRAWS)}, not {self.kind!r}")
        wrong = self.second < 0 if self.kind == "normal" else self.second < self.first
        if wrong or not np.isfinite([self.first, self.second]).all():
            needs = DRAWS[self.kind]
            raise ValueError(f"{self.kind}:{self.first:g},{self.second:g} is not {needs}")

    def rows(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws one value a row, [n]."""
        return getattr(rng, self.kind)(self.first, self.second, n)


@dataclass(frozen=True)
class Settled:
    """What a do() means for n rows, its draws and columns made numbers.

    Attributes:
        clamps: values of the nodes that are fixed, NaN where a node is free, [1 or N, D].
        changes: what becomes of the value that a node would have, by column number.
    """

    clamps: np.ndarray
    changes: dict[int, Change]

    @property
    def constant(self) -> bool:
        """Whether every node is set to one number for all rows."""
        return len(self.clamps) == 1 and not self.changes

    def groups(self, n: int) -> Iterator[tuple[dict[int, float], np.ndarray]]:
        """(values by column number, which of the n rows have them); for fixed nodes."""
        fixed = np.flatnonzero(~np.isnan(self.clamps[0]))
        values, place = np.unique(self.clamps[:, fixed], axis=0, return_inverse=True)
        place = np.broadcast_to(place.ravel(), n)
        for k, value in enumerate(values.tolist()):
            yield dict(zip(fixed.tolist(), value, strict=True)), place == k

    def solve(self, answer: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The rows under the do(), [N, D].

        Changes among ancestors and descendants settle after as many rounds as there are changes.

        Args:
            answer: clamps [1 or N, D] -> rows [N, D] with these nodes fixed.

        Raises:
            ValueError: a function gives something else than one finite number a row.
        """
        clamps = self.clamps
        for _ in self.changes:
            for j, change in self.changes.items():
                natural = answer(_with(clamps, j, np.nan))[:, j]
                clamps = _with(clamps, j, _changed(change, natural))
        return answer(clamps)


def settle(do: Do | None, names: Sequence[str], n: int, seed: int = 0) -> Settled:
    """Checks a do() over the columns `names` for n rows; `seed` is that of its draws.

    Raises:
        ValueError: an unknown column, or a value of none of the kinds.
    """
    clamps, changes = np.full((1, len(names)), np.nan), {}
    for name, value in (do or {}).items():
        if name not in names:
            raise ValueError(f"do names an unknown column: {name}")
        j = list(names).index(name)
        if isinstance(value, Draw):
            value = value.rows(n, np.random.default_rng([seed, j]))
        if callable(value):
            changes[j] = value
        else:
            clamps = _with(clamps, j, _numbers(name, value, n))
    return Settled(clamps, changes)


def _numbers(name: str, value: Any, n: int) -> np.ndarray | float:
    try:
        if value is None or isinstance(value, str | bytes):
            raise TypeError
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"do({name}) needs {KINDS}, not {_short(value)}") from None
    if numbers.ndim > 1 or (numbers.ndim == 1 and len(numbers) != n):
        raise ValueError(f"do({name}) has shape {numbers.shape} for {n} rows: one number a row")
    if not np.isfinite(numbers).all():
        raise ValueError(f"do({name}) needs a finite number, not {_short(value)}")
    return numbers


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) < 40 else type(value).__name__


def _with(clamps: np.ndarray, j: int, values: np.ndarray | float) -> np.ndarray:
    """Clamps with node j at `values`."""
    rows = max(len(clamps), np.size(values))
    clamps = np.repeat(clamps, rows, 0) if len(clamps) < rows else clamps.copy()
    clamps[:, j] = values
    return clamps


def _changed(change: Change, natural: np.ndarray) -> np.ndarray:
    values = np.asarray(change(natural.copy()), dtype=np.float64)
    if values.shape not in ((), natural.shape):
        raise ValueError(f"the function in do() gives shape {values.shape}, not {natural.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the function in do() gives something that is no finite number")
    return np.broadcast_to(values, natural.shape)
