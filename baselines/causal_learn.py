"""Causal discovery through causal-learn: PC, GES and DirectLiNGAM."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from causallearn.search.ConstraintBased.PC import pc
from causallearn.search.FCMBased.lingam import DirectLiNGAM as Lingam
from causallearn.search.ScoreBased.GES import ges

from baselines.extension import extension

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

LEVEL = 0.01
SMALLEST = 0.05  # standardised coefficients below this are no edge


class PC:
    """PC with Fisher's z (Spirtes et al. 2000), a DAG drawn from its equivalence class.

    causal-learn finds the partially directed graph; `extension` draws the DAG. Its time grows
    steeply with the number of neighbours that the tests leave.
    """

    def discover(self, df: "pd.DataFrame", *, seed: int = 0) -> "nx.DiGraph":
        """A directed acyclic graph over the columns of df."""
        found = pc(df.to_numpy(dtype=float), LEVEL, "fisherz", show_progress=False)
        return acyclic(df, extension(found.G.graph))


class GES:
    """Greedy equivalence search by BIC (Chickering 2002), a DAG drawn from its equivalence class.

    The score is that of linear Gaussian models. See `PC` for how a DAG is drawn.
    """

    def discover(self, df: "pd.DataFrame", *, seed: int = 0) -> "nx.DiGraph":
        """A directed acyclic graph over the columns of df."""
        return acyclic(df, extension(ges(standardised(df), "local_score_BIC")["G"].graph))


class DirectLiNGAM:
    """DirectLiNGAM (Shimizu et al. 2011): an order by independence of residuals, then a lasso.

    It relies on lines and on noise that is not Gaussian; where either fails, its order is a guess.
    """

    def discover(self, df: "pd.DataFrame", *, seed: int = 0) -> "nx.DiGraph":
        """A directed acyclic graph over the columns of df."""
        model = Lingam(random_state=seed % 2**32)
        model.fit(standardised(df))
        strong = np.abs(model.adjacency_matrix_.T) > SMALLEST  # its rows are children
        return acyclic(df, zip(*np.nonzero(strong), strict=True))


def standardised(df: "pd.DataFrame") -> np.ndarray:
    """Columns of mean 0 and deviation 1, so that no finder reads their units, [N, D]."""
    rows = df.to_numpy(dtype=float)
    return (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)


def acyclic(df: "pd.DataFrame", edges: Iterable[tuple[int, int]]) -> "nx.DiGraph":
    """The edges i -> j between columns, without those that close a cycle."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(df.columns)
    for i, j in edges:
        source, target = df.columns[i], df.columns[j]
        if not nx.has_path(graph, target, source):
            graph.add_edge(source, target)
    return graph
