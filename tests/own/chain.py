"""A table with known effects: x causes y by 2, y causes z by -1, and so does w by 1."""

import networkx as nx
import numpy as np
import pandas as pd

GRAPH = nx.DiGraph([("x", "y"), ("y", "z"), ("w", "z")])


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(3, 1, n), rng.normal(size=n)
    y = 2 * x + rng.normal(size=n)
    return pd.DataFrame({"w": w, "x": x, "y": y, "z": -y + w + 0.5 * rng.normal(size=n)})
