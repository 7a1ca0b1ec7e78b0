"""Methods that fail, for the runner's tests."""

from baselines.linear import Linear


class Raises:
    """Never fits."""

    def fit(self, df, graph, *, seed=0):
        raise RuntimeError("out of ideas")


class Sometimes(Linear):
    """Fits graphs with an odd number of edges only."""

    def fit(self, df, graph, *, seed=0):
        if graph.number_of_edges() % 2 == 0:
            raise RuntimeError("an even number of edges")
        return super().fit(df, graph, seed=seed)
