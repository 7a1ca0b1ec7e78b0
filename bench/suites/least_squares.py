"""Least squares by whoever makes a problem: the reference where no prior is known."""

from collections.abc import Sequence

import numpy as np

from bench.scm.base import AdditiveSCM
from bench.task import Dataset


class LinearMaps:
    """F by least squares of every node on its parents in the rows of `data`."""

    def __init__(self, data: Dataset) -> None:
        self.parents = data.parents()
        self.weights = [
            np.linalg.lstsq(self._design(data.rows, j), data.rows[:, j], rcond=None)[0]
            for j in range(len(data.names))
        ]

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows x [N, D]."""
        return np.column_stack([self._design(x, j) @ self.weights[j] for j in nodes])

    def _design(self, x: np.ndarray, node: int) -> np.ndarray:
        return np.column_stack([x[:, self.parents[node]], np.ones(len(x))])


def least_squares(data: Dataset) -> AdditiveSCM:
    """The best linear unbiased estimate from the rows of `data`, which need not be the context."""
    return AdditiveSCM(data.names, data.adjacency, LinearMaps(data), data.rows)
