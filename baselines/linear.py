"""Linear mechanisms by ordinary least squares."""

from typing import TYPE_CHECKING

import numpy as np

from bench.method import fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


class Linear:
    """Least squares for each node on its parents; the best linear unbiased estimate."""

    version = "1"
    default = True

    def skip(self, dataset: Dataset) -> str | None:
        """A node needs two more rows than it has parents."""
        most = max(map(len, dataset.parents()), default=0)
        if len(dataset.rows) < most + 2:
            return f"{len(dataset.rows)} rows are too few for {most} parents"
        return None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_per_node(df, graph, least_squares, seed)


class LinearMap:
    """x -> x . w + c."""

    def __init__(self, weights: np.ndarray, constant: float) -> None:
        self.weights, self.constant = weights, constant

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> [N]."""
        return x @ self.weights + self.constant


def least_squares(parents: np.ndarray, child: np.ndarray) -> LinearMap:
    """The least-squares map from parents [N, P] to child [N]; least norm where underdetermined."""
    design = np.column_stack([parents, np.ones(len(parents))])
    solution = np.linalg.lstsq(design, child, rcond=None)[0]
    return LinearMap(solution[:-1], solution[-1])
