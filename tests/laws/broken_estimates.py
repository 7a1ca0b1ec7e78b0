"""Methods that each break one law by what their estimate answers."""

import numpy as np

from bench.method import fit_per_node
from bench.scm.base import AdditiveSCM
from bench.task import Dataset
from tests.laws.broken_methods import Columns, least_squares


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
