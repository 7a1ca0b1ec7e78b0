"""Learning in columns of one order, origin and unit, so that those of the data change no answer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

# F of nodes at rows z [N, D], [N, len(nodes)]; it may have `noise_scale` [D], see `fit_additive`
Predict = Callable[[np.ndarray, Sequence[int]], np.ndarray]
# (z [N, D], parents of each node, seed) -> Predict, all in standardised units
Learn = Callable[[np.ndarray, list[np.ndarray], int], Predict]


# (parents [N, P], child [N]) -> predict, where predict (parents [M, P]) -> child [M]
Regress = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def fit_additive(
    df: "pd.DataFrame", graph: "nx.DiGraph", learn: Learn, seed: int = 0
) -> AdditiveSCM:
    """Fits x = F(x) + u on standardised columns.

    Columns are put in the order of their names, centred and divided by their standard deviation, so
    that neither order nor unit nor origin can change an answer. A column that is constant in the
    context is predicted by its constant and is nobody's parent.

    Args:
        df, graph: context rows, and the graph over their columns.
        learn: (z [N, D], parents of each node, seed) -> predict, where predict (z [M, D], nodes) ->
            F of those nodes [M, len(nodes)]. It is asked for nodes with parents only. If predict
            has `noise_scale` [D] (standardised units), `sample` scales its residuals to it.
        seed: of the method's own randomness.

    Raises:
        ValueError: see `Dataset.of`.
    """
    data = Dataset.of(df, graph)
    mechanisms = StandardisedMechanisms(data, learn, seed)
    return AdditiveSCM(data.names, data.adjacency, mechanisms, data.rows, mechanisms.noise_scale)


def fit_per_node(
    df: "pd.DataFrame", graph: "nx.DiGraph", regress: Regress, seed: int = 0
) -> AdditiveSCM:
    """`fit_additive` with one regression a node: regress(parents [N, P], child [N]) -> predict."""

    def learn(z: np.ndarray, parents: list[np.ndarray], _: int) -> PerNode:
        return PerNode(
            parents, [regress(z[:, p], z[:, j]) if len(p) else None for j, p in enumerate(parents)]
        )

    return fit_additive(df, graph, learn, seed)


class AdditiveMethod(ABC):
    """A method whose subclass has only to learn standardised mechanisms (`_learn`, a `Learn`).

    Args:
        device: where to compute, e.g. "cpu" or "cuda".
    """

    fewest_rows = 10

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def skip(self, dataset: Dataset) -> str | None:
        """Fewer rows say too little, all the more where some are held out to stop training."""
        few = len(dataset.rows) < self.fewest_rows
        return f"fewer than {self.fewest_rows} rows" if few else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_additive(df, graph, self._learn, seed)

    @abstractmethod
    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> Predict:
        """See `Learn`."""


class PerNode:
    """Predictions of one regression a node."""

    def __init__(self, parents: list[np.ndarray], predictors: list) -> None:
        self.parents, self.predictors = parents, predictors

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
        """The inverse of `standardise`."""
        return (self.mean + self.scale * z)[:, self.place]


class StandardisedMechanisms(Standardised):
    """Mechanisms in the data's units from ones learnt on standardised columns."""

    def __init__(self, data: Dataset, learn: Learn, seed: int) -> None:
        super().__init__(data)
        self.has_parents = np.array([len(p) > 0 for p in self.parents])
        fits = any(self.has_parents)
        self.predict = learn(self.standardise(data.rows), self.parents, seed) if fits else None
        scale = getattr(self.predict, "noise_scale", None)
        self.noise_scale = None if scale is None else (self.scale * scale)[self.place]

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` (in the data's order) at rows x [N, D], in the data's units."""
        asked = self.place[list(nodes)]
        answer = np.zeros((len(x), len(asked)))
        learnt = self.has_parents[asked]
        if self.predict is not None and learnt.any():
            answer[:, learnt] = self.predict(self.standardise(x), asked[learnt].tolist())
        return self.mean[asked] + self.scale[asked] * answer


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
