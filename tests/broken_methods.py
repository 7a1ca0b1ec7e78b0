"""Methods that each break one law; the tests expect the laws to notice."""

import itertools

import numpy as np

from bench.method import fit_additive, fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset


def least_squares(parents, child):
    return Map(np.linalg.lstsq(parents, child, rcond=None)[0])


class Map:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, x):
        return x @ self.weights


class Transposed:
    """Reads the graph the wrong way round."""

    def fit(self, df, graph, *, seed=0):
        return fit_per_node(df, graph.reverse(), least_squares)


class ReadsAll:
    """Regresses every node that has parents on all other nodes."""

    def fit(self, df, graph, *, seed=0):
        def learn(z, parents, _):
            gram = z.T @ z + 0.1 * len(z) * np.eye(z.shape[1])
            precision = np.linalg.inv(gram)
            weights = -precision / np.diag(precision)
            np.fill_diagonal(weights, 0)
            return Columns(weights)

        return fit_additive(df, graph, learn)


class Columns:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, z, nodes):
        return (z @ self.weights)[:, list(nodes)]


class Forgets:
    """Draws its weights anew at every fit."""

    calls = itertools.count()

    def fit(self, df, graph, *, seed=0):
        noise = np.random.default_rng(next(self.calls)).normal()

        def regress(parents, child):
            return Map(least_squares(parents, child).weights * (1 + 0.01 * noise))

        return fit_per_node(df, graph, regress)


class RawUnits:
    """Ridge regression in raw units: what is small is lost."""

    def fit(self, df, graph, *, seed=0):
        data = Dataset.of(df, graph)
        weights = np.zeros((len(data.names),) * 2)
        for j, parents in enumerate(data.parents()):
            x, y = data.rows[:, parents], data.rows[:, j]
            weights[parents, j] = np.linalg.solve(x.T @ x + 10 * np.eye(len(parents)), x.T @ y)
        return AdditiveSCM(data.names, data.adjacency, Columns(weights), data.rows)


class Greedy:
    """Overwrites its input."""

    def fit(self, df, graph, *, seed=0):
        fitted = fit_per_node(df, graph, least_squares)
        df.iloc[0, 0] = 0.0
        return fitted
