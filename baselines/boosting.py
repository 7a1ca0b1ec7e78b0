"""Mechanisms by gradient-boosted trees."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

from bench.method import fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

DEPTHS = (2, 4)
ROUNDS = 120
FOLDS = 3


class Boosting:
    """Histogram gradient boosting; depth and rounds by cross-validation (Friedman 2001)."""

    version = "1"
    default = True

    def skip(self, dataset: Dataset) -> str | None:
        """Cross-validated trees need some rows."""
        return "fewer than 20 rows" if len(dataset.rows) < 20 else None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_per_node(df, graph, lambda x, y: boosted(x, y, seed), seed)


class Trees:
    """Fitted trees, which can be fitted to other rows without cross-validation."""

    def __init__(self, depth: int, rounds: int, parents: np.ndarray, child: np.ndarray) -> None:
        self.depth, self.rounds = depth, rounds
        self.model = _trees(depth, rounds).fit(parents, child)

    def __call__(self, parents: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> [N]."""
        return self.model.predict(parents)

    def relearn(self, parents: np.ndarray, child: np.ndarray) -> "Trees":
        """Fits other rows, depth and rounds kept."""
        return Trees(self.depth, self.rounds, parents, child)


def boosted(parents: np.ndarray, child: np.ndarray, seed: int) -> Trees:
    """The depth and the number of rounds with the least cross-validated error, refitted."""
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed % 2**32).split(parents))
    errors = np.array([_path(parents, child, depth, folds) for depth in DEPTHS])
    depth, rounds = np.unravel_index(errors.argmin(), errors.shape)
    return Trees(DEPTHS[depth], int(rounds) + 1, parents, child)


def _path(parents: np.ndarray, child: np.ndarray, depth: int, folds: list) -> np.ndarray:
    """Cross-validated squared error after each round, [ROUNDS]."""
    total = np.zeros(ROUNDS)
    for train, test in folds:
        model = _trees(depth, ROUNDS).fit(parents[train], child[train])
        staged = model.staged_predict(parents[test])
        total += [np.square(guess - child[test]).sum() for guess in staged]
    return total


def _trees(depth: int, rounds: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=rounds,
        max_depth=depth,
        learning_rate=0.1,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=0,  # of row subsampling for bins, which small tables never need
    )
