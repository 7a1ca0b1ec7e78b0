"""The S- and the T-learner of effects, with random forests, as methods of whole SCMs.

Kuenzel, Sekhon, Bickel, Yu, "Metalearners for estimating heterogeneous treatment effects using
machine learning", PNAS 116, 2019. Both regress each node on its parents by a forest (Breiman 2001).
The S-learner has one forest; the T-learner has two where one of the parents is a treatment.
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from bench.method import AdditiveMethod
from bench.standardised import PerNode

Answer = Callable[[np.ndarray], np.ndarray]
TREES, SMALLEST_LEAF, FEWEST = 100, 5, 20  # FEWEST: rows of an arm that has a forest of its own


class SLearner(AdditiveMethod):
    """One random forest a node; the treatment is a feature like others."""

    version = "1"
    fewest_rows = 10

    def _learn(self, z: np.ndarray, parents: list[np.ndarray], seed: int) -> PerNode:
        return PerNode(
            parents,
            [self._regress(z, j, parents, seed) if len(p) else None for j, p in enumerate(parents)],
        )

    def _regress(self, z: np.ndarray, j: int, parents: list[np.ndarray], seed: int) -> Answer:
        return _forest(z[:, parents[j]], z[:, j], seed)


class TLearner(SLearner):
    """One random forest a node and arm of its treatment.

    A node's treatment is that of its parents which takes two values; of several the one with the
    most parents itself, for covariates have none. A node without such a parent has one forest.
    """

    def _regress(self, z: np.ndarray, j: int, parents: list[np.ndarray], seed: int) -> Answer:
        x, y = z[:, parents[j]], z[:, j]
        treatment = _treatment(z, parents[j], parents)
        if treatment is None:
            return _forest(x, y, seed)
        middle = (x[:, treatment].min() + x[:, treatment].max()) / 2
        treated = x[:, treatment] > middle
        if min(treated.sum(), (~treated).sum()) < FEWEST:
            return _forest(x, y, seed)
        arms = [_forest(x[arm], y[arm], seed) for arm in (~treated, treated)]
        return lambda rows: np.where(rows[:, treatment] > middle, arms[1](rows), arms[0](rows))


def _treatment(z: np.ndarray, candidates: np.ndarray, parents: list[np.ndarray]) -> int | None:
    """The place among `candidates` of the one that is a treatment."""
    binary = [k for k, column in enumerate(candidates) if len(np.unique(z[:, column])) == 2]
    return max(binary, key=lambda k: len(parents[candidates[k]]), default=None)


def _forest(x: np.ndarray, y: np.ndarray, seed: int) -> Answer:
    forest = RandomForestRegressor(
        TREES, min_samples_leaf=SMALLEST_LEAF, random_state=seed % 2**32, n_jobs=1
    )
    return forest.fit(x, y).predict
