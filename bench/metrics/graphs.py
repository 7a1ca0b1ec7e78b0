"""What is wrong in the graph that methods are given: numbers of pairs of nodes."""

import numpy as np

from bench.scm.base import SCM
from bench.task import Problem


def graph_distance(problem: Problem, _: SCM) -> float:
    """Structural Hamming distance of the given graph: pairs of nodes joined otherwise."""
    given, true = _both(problem)
    differs = (given != true) | (given.T != true.T)
    return float(np.triu(differs).sum())


def graph_missing(problem: Problem, _: SCM) -> float:
    """Pairs of nodes that the true graph joins and the given one does not."""
    given, true = _joined(problem)
    return float((true & ~given).sum())


def graph_extra(problem: Problem, _: SCM) -> float:
    """Pairs of nodes that the given graph joins and the true one does not."""
    given, true = _joined(problem)
    return float((given & ~true).sum())


def graph_reversed(problem: Problem, _: SCM) -> float:
    """Pairs of nodes that both graphs join, each in its own direction."""
    given, true = _both(problem)
    return float((given & true.T).sum())


def _both(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The given and the true graph, [D, D] each."""
    if problem.true_adjacency is None:
        raise ValueError("the graph of this problem is the true one")
    return problem.data.adjacency, problem.true_adjacency


def _joined(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Whether the given and the true graph join the pairs of nodes, each once."""
    given, true = _both(problem)
    pair = np.triu_indices(len(given), 1)
    return (given | given.T)[pair], (true | true.T)[pair]
