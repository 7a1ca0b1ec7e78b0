"""Tables with known faults, and what an estimate leaves of them."""

import networkx as nx
import numpy as np
import pandas as pd

from bench.analysis.trust import check_all, failed
from bench.registry import load_method
from bench.suites.effects import Here
from bench.suites.held import Held, hold
from bench.suites.own import split
from bench.task import Dataset

FORK = [("x", "z"), ("y", "z"), ("z", "w")]


def waves(rng, x):
    """A random-feature function of x [N, P], of variance 1."""
    weights = rng.standard_normal((x.shape[1], 50))
    phases = rng.uniform(0, 2 * np.pi, 50)
    f = np.cos(x @ weights + phases) @ rng.standard_normal(50)
    return (f - f.mean()) / f.std()


def table(rng, edges, n=400, noise=0.5, waved=True):
    """A table of an SCM over the nodes of `edges`, its noise normal, `noise` deviations of F."""
    graph, columns = nx.DiGraph(edges), {}
    for node in nx.topological_sort(graph):
        parents = list(graph.predecessors(node))
        u = rng.standard_normal(n)
        if parents:
            x = np.column_stack([columns[p] for p in parents])
            f = waves(rng, x) if waved else x.sum(1) / len(parents) ** 0.5
            u = f + noise * u
        columns[node] = u
    return pd.DataFrame(columns)


def looked_at(df, edges, method="linear"):
    """(data, halves, what the method leaves of each half when it is fitted to the other)."""
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(df)
    data = Dataset.typed(df, graph)
    halves = split(data.rows, 0)
    parts = []
    for context, query in (halves, halves[::-1]):
        fitted = Dataset(data.rows[context], data.names, data.adjacency, data.columns)
        scm = load_method(method).fit(df.iloc[context], graph)
        scm = scm.coded() if data.columns else scm
        parts.append(hold(data, query, 0, Here(scm, fitted)))
    return data, halves, Held.together(parts)


def faults(df, edges, method="linear"):
    """Kinds of the checks that fail."""
    return {check.kind for check in failed(check_all(*looked_at(df, edges, method)))}


def doubled(rng, n=400, normal=False):
    """y = x + noise whose deviation doubles over the range of x."""
    x = rng.standard_normal(n) if normal else rng.uniform(-1, 1, n)
    spread = 1 + (x - x.min()) / np.ptp(x)
    return pd.DataFrame({"x": x, "y": 2 * x + rng.standard_normal(n) * spread})


def confounded(rng, n=400, r=0.4):
    """x -> a and y -> b, the noise of a and b correlated."""
    x, y = rng.standard_normal((2, n))
    u = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], n).T
    return pd.DataFrame({"x": x, "y": y, "a": x + u[0], "b": y + u[1]})
