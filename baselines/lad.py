"""Linear mechanisms by least absolute deviations, solved exactly as a linear programme."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from bench.scm.base import AdditiveSCM
from bench.standardised import Standardised
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

MOST_ROWS = 20_000


class LeastAbsoluteDeviations:
    """The line that minimises the sum of absolute residuals, for each node on its parents.

    The maximum-likelihood line under Laplace noise (Koenker and Bassett 1978, at the median), and
    the best simple method there: its variance is half that of least squares. A root is its median.
    """

    version = "1"
    default = True

    def skip(self, dataset: Dataset) -> str | None:
        """A node needs two more rows than it has parents; a linear programme few enough."""
        if len(dataset.rows) > MOST_ROWS:
            return f"more than {MOST_ROWS:,} rows: a linear programme with a variable a row"
        most = max(map(len, dataset.parents()), default=0)
        if len(dataset.rows) < most + 2:
            return f"{len(dataset.rows)} rows are too few for {most} parents"
        return None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits a line for every node.

        Raises:
            ValueError: see `Dataset.of`.
        """
        data = Dataset.of(df, graph)
        return AdditiveSCM(data.names, data.adjacency, MedianLines(data), data.rows)


class MedianLines(Standardised):
    """Every node's line, learnt on standardised columns; roots are lines without slopes."""

    def __init__(self, data: Dataset) -> None:
        super().__init__(data)
        z = self.standardise(data.rows)
        self.weights = [least_absolute(design(z, p), z[:, j]) for j, p in enumerate(self.parents)]

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` (in the data's order) at rows x [N, D], in the data's units."""
        z, asked = self.standardise(x), self.place[list(nodes)]
        answer = [design(z, self.parents[j]) @ self.weights[j] for j in asked]
        return self.mean[asked] + self.scale[asked] * np.column_stack(answer)


def design(z: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The parents' columns of z [N, D] and a column of ones, [N, P + 1]."""
    return np.column_stack([z[:, parents], np.ones(len(z))])


def least_absolute(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights w [P] that minimise sum |y - x w| for x [N, P] and y [N].

    Solved by its dual, max a.y with x'a = 0 and |a| <= 1, which has as many constraints as there
    are weights; these are the multipliers of its constraints. Where the simplex method gives up, as
    it can on rows that a line fits all but exactly, an interior point is sought.

    Raises:
        RuntimeError: both solvers gave up.
    """
    for method in ("highs", "highs-ipm"):
        dual = linprog(-y, A_eq=x.T, b_eq=np.zeros(x.shape[1]), bounds=(-1, 1), method=method)
        if dual.status == 0:
            return -dual.eqlin.marginals
    raise RuntimeError(f"least absolute deviations: {dual.message}")
