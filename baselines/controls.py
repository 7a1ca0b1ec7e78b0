"""Controls: the ends of the scale on which every other method is read."""

from typing import TYPE_CHECKING

import numpy as np

from bench.scm.base import SCM, AdditiveSCM
from bench.task import Dataset, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx
    import pandas as pd


class Truth:
    """The true SCM: scores 0 where there is one."""

    version = "1"
    role = "truth"
    default = True

    def fit_problem(self, problem: Problem, seed: int) -> SCM | None:
        """Answers with the true SCM of the problem."""
        return problem.truth

    def skip_problem(self, problem: Problem) -> str | None:
        """Real data has no known truth."""
        return "no true SCM is known" if problem.truth is None else None


class Floor:
    """What a problem's maker knows: the posterior mean of F given the prior and the true noise.

    A floor of the metrics that the problem's `bounds` name, a reference for the others.
    """

    version = "1"
    role = "reference"
    default = True

    def fit_problem(self, problem: Problem, seed: int) -> SCM | None:
        """Answers with the floor of the problem."""
        return problem.floor

    def skip_problem(self, problem: Problem) -> str | None:
        """Some problems have no known prior, and some posterior means are not found."""
        if problem.make_floor is None:
            return "no prior is known"
        return "the posterior mean was not found" if problem.floor is None else None


class Marginal:
    """Ignores the graph: every node is its mean plus its own noise."""

    version = "1"
    role = "reference"
    default = True

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Gives an estimate whose mechanisms are the context's means."""
        data = Dataset.of(df, graph)
        return AdditiveSCM(data.names, data.adjacency, Constant(data.rows.mean(0)), data.rows)

    def classify(self, x: np.ndarray, codes: np.ndarray, count: int, seed: int) -> "Shares":
        """Gives each level its share of the rows, whatever the parents."""
        return Shares(codes, count)


class Shares:
    """Probabilities of levels that depend on no parent.

    Args:
        codes: levels [N]. count: of levels, K.
    """

    def __init__(self, codes: np.ndarray, count: int) -> None:
        self.shares = np.bincount(codes.astype(int), minlength=count) / len(codes)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> [N, K]."""
        return np.tile(self.shares, (len(x), 1))


class Constant:
    """A mechanism that depends on no parent."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __call__(self, x: np.ndarray, nodes: "Sequence[int]") -> np.ndarray:
        """The nodes' constants for every row of x [N, D]."""
        return np.tile(self.values[list(nodes)], (len(x), 1))
