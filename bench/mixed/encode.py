"""Columns as numbers that a regression takes: an indicator for each level of a category but one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.task import Dataset


class Encoder:
    """One encoding of a table's columns, shared by all that read them as parents.

    A number stands as it is, yes and no as 1 and 0, a category as an indicator for each level that
    the rows have but the first of these.

    Attributes:
        parts: places of each column's numbers in an encoded row.
        width: of an encoded row.
    """

    def __init__(self, data: Dataset) -> None:
        self.levels = [_levels(data, j) for j in range(len(data.names))]
        sizes = [1 if levels is None else len(levels) for levels in self.levels]
        ends = np.cumsum(sizes)
        self.parts = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.width = int(ends[-1])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, D] -> [N, width]."""
        encoded = np.empty((len(x), self.width))
        for j, (levels, part) in enumerate(zip(self.levels, self.parts, strict=True)):
            encoded[:, part] = x[:, [j]] if levels is None else x[:, [j]] == levels
        return encoded

    def places(self, columns: Sequence[int] | np.ndarray) -> np.ndarray:
        """Where some columns stand in an encoded row."""
        return np.concatenate([np.empty(0, dtype=int), *(self.parts[j] for j in columns)])

    def dataset(self, data: Dataset) -> Dataset:
        """The encoded rows with the edges into numbers; levels have no parents here."""
        adjacency = np.zeros((self.width, self.width), dtype=bool)
        for j in set(range(len(data.names))) - set(data.discrete):
            causes = self.places(np.flatnonzero(data.adjacency[:, j]))
            adjacency[causes, self.parts[j][0]] = True
        return Dataset(self(data.rows), self._names(data), adjacency)

    def _names(self, data: Dataset) -> tuple[str, ...]:
        names: list[Any] = []
        for j, (name, levels) in enumerate(zip(data.names, self.levels, strict=True)):
            if levels is None:
                names.append(name)
            else:
                labels = data.columns[j].levels
                names += [f"{name}={labels[int(code)]}" for code in levels]
        return tuple(names) if len(set(names)) == len(names) else tuple(map(str, range(len(names))))


def _levels(data: Dataset, j: int) -> np.ndarray | None:
    """Codes that have an indicator; None: the number itself is taken."""
    if not data.columns or data.columns[j].kind != "category":
        return None
    codes = data.rows[:, j]
    return np.unique(codes[~np.isnan(codes)])[1:]
