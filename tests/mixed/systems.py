"""Systems of numbers and levels whose effects are known: rows, graph and effects of do()."""

import networkx as nx
import numpy as np
import pandas as pd

BINARY = nx.DiGraph([("w", "t"), ("w", "y"), ("t", "y"), ("y", "z")])
MIXED = nx.DiGraph([("a", "t"), ("a", "k"), ("a", "y"), ("c", "y"), ("t", "y"), ("k", "y")])
MIXED.add_edges_from([("y", "m"), ("t", "m")])
MANY = 400_000


def chance(logit, rng):
    return rng.random(len(logit)) < 1 / (1 + np.exp(-logit))


def binary_rows(n, rng, do=None):
    """A yes/no treatment and outcome, and a number that follows."""
    w = rng.normal(size=n)
    t = chance(w, rng) if do is None else np.full(n, do)
    y = chance(1.2 * t - w - 0.3, rng)
    z = 2.0 * y + rng.normal(size=n)
    return pd.DataFrame({"w": w, "t": t, "y": y, "z": z})


def mixed_rows(n, rng, do=None):
    """A category, a count, a treatment, a number and a category that follows."""
    a = rng.normal(size=n)
    c = rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2])
    t = chance(a, rng) if do is None else np.full(n, do)
    k = np.rint(30 + 3 * a + 2 * rng.normal(size=n)).clip(0).astype(int)
    y = 2.0 * t + a + 1.5 * (c == "red") + 0.1 * k + rng.normal(size=n)
    high, low = 0.7 * (y - 4), 0.5 * t
    u = rng.gumbel(size=(n, 3)) + np.column_stack([high, low, np.zeros(n)])
    m = np.array(["high", "low", "none"])[u.argmax(1)]
    columns = {"a": a, "c": pd.Categorical(c), "t": t, "k": k, "y": y, "m": pd.Categorical(m)}
    return pd.DataFrame(columns)


def shares(table):
    """Means of all columns, of a category its levels' shares."""
    return pd.get_dummies(table, prefix_sep="=").astype(float).mean()


def effect(system, do=True):
    """Of do(t) on the mean of every outcome, from many rows."""
    rng = np.random.default_rng(5)
    return shares(system(MANY, rng, do)) - shares(system(MANY, rng))


SYSTEMS = {"binary": (binary_rows, BINARY), "mixed": (mixed_rows, MIXED)}
