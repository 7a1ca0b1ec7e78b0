"""Mechanisms by gradient-boosted trees."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
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
MOST_ROWS = 20_000  # by which depth and rounds are chosen
SHARED = {
    "learning_rate": 0.1,
    "min_samples_leaf": 10,
    "early_stopping": False,
    "random_state": 0,  # of row subsampling for bins, which small tables never need
}


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

    def classify(self, x: np.ndarray, codes: np.ndarray, count: int, seed: int) -> "Voting":
        """Boosted trees for the levels too; see `bench.method.Method`."""
        return Voting.chosen(x, codes.astype(int), count, seed)


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


class Voting:
    """Trees for the log-odds of K levels, which can be fitted to other rows as they are.

    Args:
        rounds: 0 for the levels' shares. x: parents [N, P]. codes: levels [N]. count: K.
    """

    def __init__(
        self, depth: int, rounds: int, x: np.ndarray, codes: np.ndarray, count: int
    ) -> None:
        self.depth, self.rounds, self.count = depth, rounds, count
        self.shares = np.bincount(codes, minlength=count) / len(codes)
        few = rounds == 0 or self.shares.max() == 1
        self.model = None if few else _votes(depth, rounds).fit(x, codes)

    @classmethod
    def chosen(cls, x: np.ndarray, codes: np.ndarray, count: int, seed: int) -> "Voting":
        """With the depth and rounds of the least cross-validated log loss; none may be best."""
        if not x.shape[1] or np.bincount(codes, minlength=count).max() == len(codes):
            return cls(DEPTHS[0], 0, x, codes, count)
        some, few = _spaced(x), _spaced(codes)
        folds = list(KFold(FOLDS, shuffle=True, random_state=seed % 2**32).split(some))
        losses = np.array([_loss_path(some, few, count, depth, folds) for depth in DEPTHS])
        depth, rounds = np.unravel_index(losses.argmin(), losses.shape)
        return cls(DEPTHS[depth], int(rounds), x, codes, count)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> probabilities [N, K]."""
        if self.model is None:
            return np.tile(self.shares, (len(x), 1))
        answer = np.zeros((len(x), self.count))
        answer[:, self.model.classes_] = self.model.predict_proba(x)
        return answer

    def relearn(self, x: np.ndarray, codes: np.ndarray) -> "Voting":
        """Of other rows, depth and rounds kept."""
        return Voting(self.depth, self.rounds, x, codes.astype(int), self.count)


def _loss_path(x: np.ndarray, codes: np.ndarray, count: int, depth: int, folds: list) -> np.ndarray:
    """Cross-validated log loss after each round, that of the shares first, [ROUNDS + 1]."""
    total = np.zeros(ROUNDS + 1)
    for train, test in folds:
        shares = np.bincount(codes[train], minlength=count) / len(train)
        paths = [np.tile(shares, (len(test), 1))] * (ROUNDS + 1)
        if shares.max() < 1:
            model = _votes(depth, ROUNDS).fit(x[train], codes[train])
            for k, p in enumerate(model.staged_predict_proba(x[test]), 1):
                paths[k] = np.zeros((len(test), count))
                paths[k][:, model.classes_] = p
        hits = np.arange(len(test)), codes[test]
        total += [-np.log(p[hits].clip(1e-6)).sum() for p in paths]
    return total


def boosted(parents: np.ndarray, child: np.ndarray, seed: int) -> Trees:
    """The depth and the number of rounds with the least cross-validated error, refitted."""
    some, few = _spaced(parents), _spaced(child)
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed % 2**32).split(some))
    errors = np.array([_path(some, few, depth, folds) for depth in DEPTHS])
    depth, rounds = np.unravel_index(errors.argmin(), errors.shape)
    return Trees(DEPTHS[depth], int(rounds) + 1, parents, child)


def _spaced(rows: np.ndarray) -> np.ndarray:
    """All rows, or evenly spaced ones where they are more than `MOST_ROWS`."""
    return rows[:: -(-len(rows) // MOST_ROWS)]


def _path(parents: np.ndarray, child: np.ndarray, depth: int, folds: list) -> np.ndarray:
    """Cross-validated squared error after each round, [ROUNDS]."""
    total = np.zeros(ROUNDS)
    for train, test in folds:
        model = _trees(depth, ROUNDS).fit(parents[train], child[train])
        staged = model.staged_predict(parents[test])
        total += [np.square(guess - child[test]).sum() for guess in staged]
    return total


def _trees(depth: int, rounds: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=rounds, max_depth=depth, **SHARED)


def _votes(depth: int, rounds: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=rounds, max_depth=depth, **SHARED)
