"""Linear mechanisms by ordinary least squares."""

from typing import TYPE_CHECKING

import numpy as np

from bench.method import fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


class Linear:
    """Least squares for each node on its parents; the best linear unbiased estimate."""

    version = "3"
    default = True

    def skip(self, dataset: Dataset) -> str | None:
        """A node needs two more rows than it has parents."""
        most = max(map(len, dataset.parents()), default=0)
        if len(dataset.rows) < most + 2:
            return f"{len(dataset.rows)} rows are too few for {most} parents"
        return None

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> AdditiveSCM:
        """Fits every node; see `fit_additive`."""
        return fit_per_node(df, graph, least_squares, seed)


class LinearMap:
    """x -> x . w + c, with what least squares says about its own error.

    Args:
        weights: [P]. constant: c. noise_scale: standard deviation of the noise.
        root: [P + 1, P + 1], symmetric; root @ root is the covariance of (weights, constant) over
            the variance of the noise. freedom: rows less parameters, by which that was divided.
    """

    def __init__(
        self,
        weights: np.ndarray,
        constant: float,
        noise_scale: float,
        root: np.ndarray,
        freedom: int,
    ) -> None:
        self.weights, self.constant, self.noise_scale = weights, constant, noise_scale
        self.root, self.freedom = root, freedom

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> [N]."""
        return x @ self.weights + self.constant

    def relearn(self, parents: np.ndarray, child: np.ndarray) -> "LinearMap":
        """Fits the same kind of map to other rows."""
        return least_squares(parents, child)

    def draw(self, rng: np.random.Generator) -> "LinearMap":
        """One from the posterior under a flat prior (Gelman et al. 2013, section 14.2)."""
        scale = self.noise_scale * (self.freedom / rng.chisquare(self.freedom)) ** 0.5
        step = scale * self.root @ rng.standard_normal(self.root.shape[1])
        return LinearMap(
            self.weights + step[:-1], self.constant + step[-1], scale, self.root, self.freedom
        )


def least_squares(parents: np.ndarray, child: np.ndarray) -> LinearMap:
    """The least-squares map from parents [N, P] to child [N]; least norm where underdetermined."""
    design = np.column_stack([parents, np.ones(len(parents))])
    left, size, right = np.linalg.svd(design, full_matrices=False)
    kept = size > size[0] * len(design) * np.finfo(np.float64).eps
    left, size, right = left[:, kept], size[kept], right[kept]
    solution = right.T @ (left.T @ child / size)
    freedom = max(len(design) - len(size), 1)
    noise = (np.square(child - design @ solution).sum() / freedom) ** 0.5
    root = right.T / size @ right  # symmetric: the signs of singular vectors are a processor's own
    return LinearMap(solution[:-1], solution[-1], noise, root, freedom)
