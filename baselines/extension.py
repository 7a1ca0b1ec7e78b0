"""A directed acyclic graph drawn from a partially directed one."""

import numpy as np

TAIL, ARROW = -1, 1  # causal-learn's marks: [i, j] = -1 and [j, i] = 1 read i -> j


def extension(marks: np.ndarray) -> list[tuple[int, int]]:
    """Edges i -> j of a DAG drawn from a partially directed graph (Dor and Tarsi 1992).

    Sinks are taken away one by one, undirected edges pointing to them: a sink has no edge out, and
    its undirected neighbours are adjacent to all others. Where unfaithful samples leave no such
    node, the one that comes nearest is taken, at the price of a new collider; causal-learn's own
    `pdag2dag` never ends there.

    Args:
        marks: as causal-learn has them, [D, D]; an edge with two arrows counts as none.
    """
    directed = (marks == TAIL) & (marks.T == ARROW)
    free = (marks == TAIL) & (marks.T == TAIL)
    joined = directed | directed.T | free | np.eye(len(marks), dtype=bool)
    left = np.ones(len(marks), dtype=bool)

    def short_of_a_sink(i: int) -> tuple[int, int]:
        ours, around = free[i] & left, joined[i] & left
        return int((directed[i] & left).sum()), int((~joined[np.ix_(ours, around)]).sum())

    edges = [(int(i), int(j)) for i, j in zip(*np.nonzero(directed), strict=True)]
    while left.any():
        sink = min(map(int, np.flatnonzero(left)), key=short_of_a_sink)
        edges += [(int(i), sink) for i in np.flatnonzero(free[sink] & left)]
        left[sink] = False
    return edges
