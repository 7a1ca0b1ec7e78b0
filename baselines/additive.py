"""Additive mechanisms: a line and a spline in each parent, ridge-penalised."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from bench.method import fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import networkx as nx
    import pandas as pd

PENALTIES = np.logspace(-4, 3, 15)


class Additive:
    """Sum of a linear function and cubic splines of the parents (Eilers and Marx 1996).

    The penalty is chosen by leave-one-out.
    """

    version = "2"
    default = True

    def skip(self, dataset: Dataset) -> str | None:
        """Cross-validation needs some rows."""
        return "fewer than 10 rows" if len(dataset.rows) < 10 else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_per_node(df, graph, spline_ridge, seed)


def spline_ridge(parents: np.ndarray, child: np.ndarray) -> "Callable[[np.ndarray], np.ndarray]":
    """Parents [N, P], child [N].

    Beyond the data the splines are constant and the line goes on: the slope of a spline at its end
    is that of a few rows, and rows generated through a chain of such slopes explode.
    """
    knots = int(np.clip(len(child) // 40, 3, 8))
    terms = make_union(FunctionTransformer(), SplineTransformer(knots, extrapolation="constant"))
    return make_pipeline(terms, RidgeCV(PENALTIES)).fit(parents, child).predict
