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


class Spoilt:
    """Least squares whose estimate is spoilt by a subclass."""

    def __init__(self):
        self.scm = None

    def fit(self, df, graph, *, seed=0):
        spoilt = type(self)()
        spoilt.scm = fit_per_node(df, graph, least_squares)
        return spoilt

    def noise(self, df):
        return self.scm.noise(df)

    def generate(self, u, do=None):
        return self.scm.generate(u, do)


class Reindexed(Spoilt):
    """Numbers rows anew."""

    def noise(self, df):
        return super().noise(df).reset_index(drop=True)


class Leaking(Spoilt):
    """An intervention moves the last column, whatever it descends from."""

    def generate(self, u, do=None):
        x = super().generate(u, do)
        return x.assign(e=x["e"] + 1) if do else x


class Doubled(Spoilt):
    """Abducts twice the noise."""

    def noise(self, df):
        return 2 * super().noise(df)


class Remembers(Spoilt):
    """Knows the rows that it was fitted to, and finds no noise in them."""

    def fit(self, df, graph, *, seed=0):
        spoilt = super().fit(df, graph)
        spoilt.known = set(df.itertuples(index=False, name=None))
        return spoilt

    def noise(self, df):
        found = super().noise(df)
        fresh = [row not in self.known for row in df.itertuples(index=False, name=None)]
        return found.mul(np.array(fresh, dtype=float), axis=0)


class Sloppy(Spoilt):
    """Loses one row in thirty."""

    def generate(self, u, do=None):
        x = super().generate(u, do)
        x.iloc[::30] += 0.001
        return x


class Merges(Spoilt):
    """Finds no noise in rows that share a value with another, as rounded ones do."""

    def noise(self, df):
        alone = ~df.iloc[:, :1].duplicated(keep=False)
        return super().noise(df).mul(alone.to_numpy(dtype=float), axis=0)


class Stairs(Spoilt):
    """F has a step for every tenth, where rounded rows stand, and noise comes a digit off."""

    tall, start = 0.1, 0.0

    def fit(self, df, graph, *, seed=0):
        spoilt, data = type(self)(), Dataset.of(df, graph)
        stairs = Floors(data.adjacency.astype(float), self.tall, self.start)
        spoilt.scm = AdditiveSCM(data.names, data.adjacency, stairs, data.rows)
        return spoilt

    def noise(self, df):
        return super().noise(df) - 1e-12


class Floors(Columns):
    def __init__(self, weights, tall, start):
        super().__init__(weights)
        self.tall, self.start = tall, start

    def __call__(self, z, nodes):
        floors = np.floor((super().__call__(z, nodes) - self.start) / self.tall)
        return floors * self.tall


class OneStep(Stairs):
    """Breaks no law of abduction: few rows stand on its steps."""

    tall, start = 6.0, 3.0


class Hasty(Spoilt):
    """Sets the first of several nodes."""

    def generate(self, u, do=None):
        return super().generate(u, dict(list(do.items())[:1]) if do else None)


class Careless(Spoilt):
    """Its intervals know nothing of their level."""

    def intervals(self, df, level):
        middle = df - self.noise(df)
        return middle - 1, middle + 2 * (1 - level)


class Certain(Spoilt):
    """Its intervals are too short for the noise."""

    def intervals(self, df, level):
        middle = df - self.noise(df)
        return middle - level / 100, middle + level / 100


class Restless(Spoilt):
    """Moves what nothing moved."""

    def counterfactual(self, df, do):
        return self.generate(self.noise(df), do) + 0.01


class Crowded(Spoilt):
    """A row's answer depends on the rows beside it."""

    def generate(self, u, do=None):
        return super().generate(u - 0.1 * (u - u.mean()), do)


class Unpicklable(Spoilt):
    """Holds what cannot be stored."""

    def fit(self, df, graph, *, seed=0):
        spoilt = super().fit(df, graph)
        spoilt.held = lambda: None
        return spoilt


class Blind(Spoilt):
    """Answers rows that lack a value as if it were 0."""

    def noise(self, df):
        return super().noise(df.fillna(0.0))


class Exaggerates:
    """Thrice the weights of least squares."""

    def fit(self, df, graph, *, seed=0):
        return fit_per_node(df, graph, lambda x, y: Map(3 * least_squares(x, y).weights))
