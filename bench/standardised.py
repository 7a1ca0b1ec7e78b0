"""Columns in one order, origin and unit: what makes answers independent of those of the data."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Self, cast

import numpy as np

from bench.scm.base import Drawn
from bench.task import Dataset

# F of nodes at rows z [N, D], [N, len(nodes)]; it may have `noise_scale`, `draw`, `deviation` and
# `relearn`, see `fit_additive`
Predict = Callable[[np.ndarray, Sequence[int]], np.ndarray]
# (z [N, D], parents of each node, seed) -> Predict, all in standardised units
Learn = Callable[[np.ndarray, list[np.ndarray], int], Predict]


class PerNode:
    """Predictions of one regression a node.

    Attributes:
        noise_scale: [D], where every regression has its own; 1, the column's, for roots.
    """

    def __init__(self, parents: list[np.ndarray], predictors: list) -> None:
        self.parents, self.predictors = parents, predictors
        scales = [1.0 if p is None else getattr(p, "noise_scale", None) for p in predictors]
        self.noise_scale = None if None in scales else np.array(scales)

    @property
    def draw(self) -> Callable[[np.random.Generator], "PerNode"] | None:
        """(rng) -> one that the data allow, where every regression has such a `draw`."""
        found = [p for p in self.predictors if p is not None]
        return self._draw if all(hasattr(p, "draw") for p in found) else None

    @property
    def relearn(self) -> Callable[[np.ndarray], "PerNode"] | None:
        """(z [N, D]) -> of other rows, where every regression has `relearn(parents, child)`."""
        found = [p for p in self.predictors if p is not None]
        return self._relearn if all(hasattr(p, "relearn") for p in found) else None

    def _relearn(self, z: np.ndarray) -> "PerNode":
        pairs = enumerate(zip(self.parents, self.predictors, strict=True))
        return PerNode(self.parents, [p and p.relearn(z[:, c], z[:, j]) for j, (c, p) in pairs])

    def _draw(self, rng: np.random.Generator) -> "PerNode":
        return PerNode(self.parents, [p if p is None else p.draw(rng) for p in self.predictors])

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at z [N, D]."""
        return np.column_stack([self.predictors[j](z[:, self.parents[j]]) for j in nodes])


class Standardised:
    """A dataset's columns in the order of their names, centred, in units of their deviation.

    A column that is constant in the context stays 0 and is nobody's parent and nobody's child.
    """

    def __init__(self, data: Dataset) -> None:
        self.order = np.array(sorted(range(len(data.names)), key=lambda j: str(data.names[j])))
        self.place = np.argsort(self.order)
        rows = data.rows[:, self.order]
        self.mean, self.scale = rows.mean(0), spread(rows)
        self.inverse = np.divide(1, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        adjacency = data.adjacency[np.ix_(self.order, self.order)]
        adjacency = adjacency & (self.scale > 0) & (self.scale > 0)[:, None]
        self.parents = [np.flatnonzero(column) for column in adjacency.T]

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, D] in the data's order and units -> standardised."""
        return (x[:, self.order] - self.mean) * self.inverse

    def restore(self, z: np.ndarray) -> np.ndarray:
        """Brings rows back into the data's own units and column order."""
        return (self.mean + self.scale * z)[:, self.place]


class StandardisedMechanisms(Standardised):
    """Mechanisms in the data's units from ones learnt on standardised columns."""

    def __init__(self, data: Dataset, learn: Learn, seed: int) -> None:
        super().__init__(data)
        self.learnt = self.learnable()
        fits = any(self.learnt)
        self.predict = learn(self.standardise(data.rows), self.parents, seed) if fits else None
        scale = getattr(self.predict, "noise_scale", None)
        self.noise_scale = None if scale is None else (self.scale * scale)[self.place]

    def _parents_of(self, nodes: Sequence[int], x: np.ndarray) -> np.ndarray:
        """Standardised rows [N, D], 0 in columns that are no parents of `nodes`: F reads none.

        So the cost of a verb, which asks level by level, is that of the edges.
        """
        read = np.unique(np.concatenate([self.parents[j] for j in nodes]))
        z = np.zeros(x.shape)
        z[:, read] = (x[:, self.order[read]] - self.mean[read]) * self.inverse[read]
        return z

    def learnable(self) -> np.ndarray:
        """Marks the columns that `learn` is asked about, [D]; the others are their mean."""
        return np.array([len(p) > 0 for p in self.parents])

    @property
    def draw(self) -> Callable[[np.random.Generator], Self] | None:
        """(rng) -> mechanisms that the data allow, where what was learnt can say so."""
        return self._draw if getattr(self.predict, "draw", None) else None

    def _draw(self, rng: np.random.Generator) -> Self:
        return self._with(cast(Drawn, self.predict).draw(rng))

    @property
    def relearn(self) -> Callable[[np.ndarray], Self] | None:
        """(rows [N, D]) -> mechanisms of other rows, hyper-parameters kept, where they can."""
        return self._relearn if getattr(self.predict, "relearn", None) else None

    def _relearn(self, rows: np.ndarray) -> Self:
        return self._with(cast(Drawn, self.predict).relearn(self.standardise(rows)))

    def _with(self, predict: Predict) -> Self:
        other = copy(self)
        other.predict = predict
        return other

    @property
    def deviation(self) -> Predict | None:
        """(rows [N, D], nodes) -> standard deviations of F, [N, len(nodes)], where they are known.

        Those of columns without anything to learn are 0.
        """
        told = getattr(self.predict, "deviation", None)
        return partial(self._deviation, told) if told else None

    def _deviation(self, told: Predict, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        asked = self.place[list(nodes)]
        return self.scale[asked] * self._told(told, x, asked)

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` (in the data's order) at rows x [N, D], in the data's units."""
        asked = self.place[list(nodes)]
        return self.mean[asked] + self.scale[asked] * self._told(self.predict, x, asked)

    def _told(self, ask: Predict | None, x: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Answers in standardised units, 0 for columns without anything to learn."""
        answer = np.zeros((len(x), len(asked)))
        learnt = self.learnt[asked]
        if ask is not None and learnt.any():
            told = asked[learnt].tolist()
            answer[:, learnt] = ask(self._parents_of(told, x), told)
        return answer


def padded_parents(z: np.ndarray, parents: Sequence[np.ndarray], width: int = 0) -> np.ndarray:
    """The parents' columns of G nodes, padded with zeros to `width` or the most: [G, N, P]."""
    most = width or max(map(len, parents))
    x = np.zeros((len(parents), len(z), most), dtype=z.dtype)
    for padded, columns in zip(x, parents, strict=True):
        padded[:, : len(columns)] = z[:, columns]
    return x


def spread(rows: np.ndarray) -> np.ndarray:
    """Standard deviation of each column (ddof = 1), exactly 0 where a column is constant, [D]."""
    if len(rows) < 2:
        return np.zeros(rows.shape[1])
    return np.where(rows.min(0) == rows.max(0), 0.0, rows.std(0, ddof=1))
