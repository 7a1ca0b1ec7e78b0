"""Additive mechanisms: a spline in each parent, ridge-penalised."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from bench.method import fit_per_node
from bench.scm.table import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import networkx as nx
    import pandas as pd

PENALTIES = np.logspace(-4, 3, 15)


class Additive:
    """Sum of cubic splines of the parents, the penalty by leave-one-out (Eilers and Marx 1996)."""

    version = "1"

    def skip(self, dataset: Dataset) -> str | None:
        """Cross-validation needs some rows."""
        return "fewer than 10 rows" if len(dataset.rows) < 10 else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_per_node(df, graph, spline_ridge, seed)


def spline_ridge(parents: np.ndarray, child: np.ndarray) -> "Callable[[np.ndarray], np.ndarray]":
    """Splines with knots at quantiles, linear beyond the data; parents [N, P], child [N]."""
    knots = int(np.clip(len(child) // 40, 3, 8))
    splines = SplineTransformer(knots, knots="quantile", extrapolation="linear")
    return make_pipeline(splines, RidgeCV(PENALTIES)).fit(parents, child).predict
