"""Causal discovery by sorting: no extra, no search, the same at any scale of the columns."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LassoLarsIC, LinearRegression

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

SMALLEST = 0.05  # standardised coefficients below this are no edge


class R2Sort:
    """R2-SortnRegress (Reisach et al. 2023): order nodes by R2, then sparse linear regression.

    A node explained better by all others comes later; its parents are the earlier nodes with a
    nonzero coefficient in a lasso whose penalty minimises the Bayesian information criterion.
    """

    def discover(self, df: "pd.DataFrame", *, seed: int = 0) -> "nx.DiGraph":
        """A directed acyclic graph over the columns of df."""
        import networkx as nx

        rows = df.to_numpy(dtype=float)
        z = (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)
        order = np.argsort([explained(z, j) for j in range(z.shape[1])], kind="stable")
        graph = nx.DiGraph()
        graph.add_nodes_from(df.columns)
        for k, j in enumerate(order[1:], start=1):
            graph.add_edges_from((df.columns[i], df.columns[j]) for i in chosen(z, order[:k], j))
        return graph


def explained(z: np.ndarray, j: int) -> float:
    """R2 of column j given all others."""
    others = np.delete(z, j, axis=1)
    return LinearRegression().fit(others, z[:, j]).score(others, z[:, j])


def chosen(z: np.ndarray, earlier: np.ndarray, j: int) -> np.ndarray:
    """The columns among `earlier` that a BIC lasso keeps for column j."""
    variance = max(1 - explained(z, j), 1e-6)
    weights = LassoLarsIC("bic", noise_variance=variance).fit(z[:, earlier], z[:, j]).coef_
    return earlier[np.abs(weights) > SMALLEST]
