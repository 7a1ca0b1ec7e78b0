"""Additive mechanisms: a line and a spline in each parent, ridge-penalised."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from bench.method import fit_additive
from bench.scm.base import AdditiveSCM
from bench.scm.support import Continued, checked
from bench.standardised import PerNode
from bench.task import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import networkx as nx
    import pandas as pd

PENALTIES = np.logspace(-4, 3, 15)


class Additive:
    """Sum of a linear function and cubic splines of the parents (Eilers and Marx 1996).

    The penalty is chosen by leave-one-out.

    Args:
        continuation: "line" for mechanisms that go straight on beyond the context where they are
            nearly lines within it (`bench.scm.support.Continued`); None for this fit's own way.
    """

    version = "2"
    default = True

    def __init__(self, continuation: str | None = None) -> None:
        self.continued = checked(continuation)

    def skip(self, dataset: Dataset) -> str | None:
        """Cross-validation needs some rows."""
        return "fewer than 10 rows" if len(dataset.rows) < 10 else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_additive(df, graph, self._learn, seed)

    def _learn(self, z: np.ndarray, parents: list[np.ndarray], _: int) -> PerNode | Continued:
        nodes = [spline_ridge(z[:, p], z[:, j]) if len(p) else None for j, p in enumerate(parents)]
        fitted = PerNode(parents, nodes)
        return Continued(fitted, z, parents) if self.continued else fitted


def spline_ridge(parents: np.ndarray, child: np.ndarray) -> "Callable[[np.ndarray], np.ndarray]":
    """Fits a line and cubic splines of each parent, ridge strengths by cross-validation.

    Beyond the data the splines are constant and the line goes on: the slope of a spline at its end
    is that of a few rows, and rows generated through a chain of such slopes explode.

    Args:
        parents: [N, P]. child: [N].

    Returns:
        Parents [M, P] -> the expected child [M].
    """
    knots = int(np.clip(len(child) // 40, 3, 8))
    terms = make_union(FunctionTransformer(), SplineTransformer(knots, extrapolation="constant"))
    return make_pipeline(terms, RidgeCV(PENALTIES)).fit(parents, child).predict
