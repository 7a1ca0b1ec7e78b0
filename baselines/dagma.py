"""Causal discovery by continuous optimisation, through dagma."""

from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
from dagma.linear import DagmaLinear

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

PENALTY = 0.02  # of absolute weights, as in the package's examples
WEAKEST = 0.15  # standardised weights below this are no edge


class DAGMA:
    """DAGMA with lines and squared error (Bello et al. 2022), on standardised columns.

    Columns are standardised, for otherwise it would read the order off their variances (Reisach et
    al. 2021), which units decide.
    """

    def discover(self, df: "pd.DataFrame", *, seed: int = 0) -> "nx.DiGraph":
        """A directed acyclic graph over the columns of df."""
        import networkx as nx

        rows = df.to_numpy(dtype=float)
        z = (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)
        with redirect_stderr(StringIO()):  # its progress bar
            weights = DagmaLinear("l2").fit(z, lambda1=PENALTY, w_threshold=WEAKEST)
        graph = nx.DiGraph()
        graph.add_nodes_from(df.columns)
        strongest = np.argsort(-np.abs(weights), axis=None, kind="stable")
        for i, j in zip(*np.unravel_index(strongest, weights.shape), strict=True):
            source, target = df.columns[i], df.columns[j]
            if weights[i, j] and not nx.has_path(graph, target, source):
                graph.add_edge(source, target)
        return graph
