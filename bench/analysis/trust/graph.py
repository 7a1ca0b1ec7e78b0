"""What the graph says of the table without any method: independences, and directions of edges."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.analysis.trust.check import NOT_TESTABLE, UNTESTABLE, Check, untestable
from bench.analysis.trust.independence import Kernel, covariance, hsic, smooth_residuals
from bench.mixed.encode import Encoder
from bench.scm.base import order
from bench.task import Dataset

ROWS = 1000  # of a table that are compared
RAW = 0.05  # p-value below which a pair counts as violated, of the graph and of permuted ones
PERMUTED, WORK = 20, 1000  # graphs, and regressions over all of them
DIRECTIONS = 100  # edges whose reversal is looked at


def implied(adjacency: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """(node, the others that its parents separate from it): neither parents nor descendants.

    A pair is told once, of the node that descends from the other or else comes later.
    """
    below = order(adjacency)[1]
    for j in range(len(adjacency)):
        others = ~below[j] & ~adjacency[:, j] & (below[:, j] | (np.arange(len(adjacency)) < j))
        if others[:j].any() or others[j + 1 :].any():
            yield j, [int(i) for i in np.flatnonzero(others) if i != j]


def independences(data: Dataset, adjacency: np.ndarray) -> dict[tuple[int, int], float]:
    """{(node, other): p-value of their independence given the node's parents}."""
    encoder = Encoder(data)
    encoded = encoder(data.rows)
    found = {}
    for j, others in implied(adjacency):
        targets = encoder.places([j, *others])
        left = smooth_residuals(
            encoded[:, encoder.places(np.flatnonzero(adjacency[:, j]).tolist())],
            encoded[:, targets],
        )
        parts = dict(zip(targets.tolist(), left.T, strict=True))
        for i in others:
            both = [(parts[a], parts[b]) for a in encoder.parts[j] for b in encoder.parts[i]]
            p = [covariance(a, b) for a, b in both]
            found[j, i] = min(1.0, len(p) * min(p, default=1.0))
    return found


def thinned(data: Dataset) -> Dataset:
    """At most `ROWS` rows of the data, evenly spread."""
    kept = np.linspace(0, len(data.rows) - 1, min(ROWS, len(data.rows))).astype(int)
    return replace(data, rows=data.rows[kept])


def check_graph(data: Dataset, seed: int = 0) -> list[Check]:
    """The graph's independences, one by one, and the share violated beside permuted graphs."""
    data = thinned(data)
    found = independences(data, data.adjacency)
    if not found:
        why = "the graph joins every pair of nodes, it says that nothing is independent"
        return [untestable("independences", "graph", why)]
    checks = []
    for (j, i), p in found.items():
        parents = ", ".join(str(data.names[k]) for k in np.flatnonzero(data.adjacency[:, j]))
        given = f" given {parents}" if parents else ""
        of = f"{data.names[j]}, {data.names[i]}"
        checks.append(Check("independences", of, f"the graph says independent{given}", p, p))
    share = _violated(found)
    permuted = permuted_shares(data, seed)
    words = f"{share:.0%} of {len(found)} independences violated, each at 5 %"
    if permuted:
        better = np.mean([share < other for other in permuted])
        words += f"; of permuted graphs {np.mean(permuted):.0%}, {better:.0%} of them have more"
    return [*checks, Check("graph", "graph", words.replace("%", " %").replace("  ", " "), share)]


def _violated(found: dict[tuple[int, int], float]) -> float:
    return float(np.mean([p < RAW for p in found.values()])) if found else 0.0


def permuted_shares(data: Dataset, seed: int) -> list[float]:
    """Shares violated of graphs whose nodes are mixed up, [] where there are too many nodes.

    Source:
        Eulig et al., "Toward falsifying causal graphs using a permutation-based test", 2023.
    """
    d = len(data.names)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(min(PERMUTED, WORK // d)):
        p = rng.permutation(d)
        shares.append(_violated(independences(data, data.adjacency[np.ix_(p, p)])))
    return shares


def covered(adjacency: np.ndarray) -> list[tuple[int, int]]:
    """Edges whose reversal implies the same independences (Chickering 1995): parents are shared."""
    edges = np.argwhere(adjacency)
    return [
        (int(i), int(j))
        for i, j in edges
        if not (np.delete(adjacency[:, i], [i, j]) != np.delete(adjacency[:, j], [i, j])).any()
    ]


def check_directions(data: Dataset) -> list[Check]:
    """Of edges whose reversal implies the same independences: whether noise tells the direction.

    The reversed edge is fitted: if its noise is independent of what would be its cause, nothing in
    the table speaks against it.
    """
    data = thinned(data)
    encoder = Encoder(data)
    encoded = encoder(data.rows)
    checks = []
    for i, j in covered(data.adjacency)[:DIRECTIONS]:
        of = f"{data.names[i]} -> {data.names[j]}"
        if {i, j} & set(data.discrete):
            checks.append(untestable("direction", of, "a node with levels has no additive noise"))
            continue
        parents = [j, *np.flatnonzero(data.adjacency[:, i])]
        left = smooth_residuals(encoded[:, encoder.places(parents)], data.rows[:, [i]])
        p = hsic(Kernel(left), Kernel(data.rows[:, j]))
        checks.append(_direction(of, p))
    return checks


def _direction(of: str, p: float) -> Check:
    if p >= RAW:
        words = f"{NOT_TESTABLE}: reversed it fits as well (p = {p:.2g})"
        return Check("direction", of, words, p, math.nan, UNTESTABLE)
    words = f"reversed its noise would depend on its cause (p = {p:.2g})"
    return Check("direction", of, words, p)
