"""Methods that each break one law by how they fit; the tests expect the laws to notice."""

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


class Origin:
    """Least squares in raw units without an intercept: another origin is another line."""

    def fit(self, df, graph, *, seed=0):
        data = Dataset.of(df, graph)
        weights = np.zeros((len(data.names),) * 2)
        for j, parents in enumerate(data.parents()):
            weights[parents, j] = least_squares(data.rows[:, parents], data.rows[:, j]).weights
        return AdditiveSCM(data.names, data.adjacency, Columns(weights), data.rows)


class Wavers:
    """Least squares whose last digits follow the origin of what it is given, whatever its seed."""

    def fit(self, df, graph, *, seed=0):
        shaken = 1 + 0.01 * np.sin(float(df.to_numpy().sum()))
        return fit_per_node(df, graph, lambda x, y: Map(shaken * least_squares(x, y).weights))


class ByPlace:
    """Believes a column less the later it stands."""

    def fit(self, df, graph, *, seed=0):
        data = Dataset.of(df, graph)
        weights = np.zeros((len(data.names),) * 2)
        for j, parents in enumerate(data.parents()):
            found = least_squares(data.rows[:, parents], data.rows[:, j]).weights
            weights[parents, j] = found / (1 + parents)
        return AdditiveSCM(data.names, data.adjacency, Columns(weights), data.rows)


class Indifferent:
    """Ignores the graph and calls itself a baseline."""

    def fit(self, df, graph, *, seed=0):
        graph = graph.copy()
        graph.remove_edges_from(list(graph.edges))
        return fit_per_node(df, graph, least_squares)


class NeedsEdges:
    """Has nothing to say about a graph without edges."""

    def fit(self, df, graph, *, seed=0):
        assert graph.number_of_edges()
        return fit_per_node(df, graph, least_squares)


class Trusting:
    """Takes what is missing for zero."""

    def fit(self, df, graph, *, seed=0):
        return fit_per_node(df.fillna(0.0), graph, least_squares)


class Exaggerates:
    """Thrice the weights of least squares."""

    def fit(self, df, graph, *, seed=0):
        return fit_per_node(df, graph, lambda x, y: Map(3 * least_squares(x, y).weights))
