"""A DAG drawn from a partially directed graph is of its class, and comes at all."""

from itertools import combinations

import numpy as np
import pytest

from baselines.extension import ARROW, TAIL, extension


def colliders(directed):
    return {
        (i, j, k)
        for k in range(len(directed))
        for i, j in combinations(map(int, np.flatnonzero(directed[:, k])), 2)
        if not directed[i, j] and not directed[j, i]
    }


def marks_of(dag):
    """The skeleton of a DAG with nothing but its colliders directed."""
    marks = np.where(dag | dag.T, TAIL, 0)
    for i, j, k in colliders(dag):
        marks[k, i] = marks[k, j] = ARROW
    return marks


def drawn(marks):
    directed = np.zeros(marks.shape, dtype=bool)
    edges = extension(marks)
    assert len(set(edges)) == len(edges)
    for edge in edges:
        directed[edge] = True
    return directed


def acyclic(directed):
    n = len(directed)
    return np.trace(np.linalg.matrix_power(np.eye(n) + directed, n)) == n


@pytest.mark.parametrize("seed", range(30))
def test_a_pattern_becomes_a_dag_with_its_skeleton_and_colliders(seed):
    rng = np.random.default_rng(seed)
    dag = np.triu(rng.random((7, 7)) < 0.4, 1)
    shuffled = rng.permutation(7)
    dag = dag[np.ix_(shuffled, shuffled)]
    found = drawn(marks_of(dag))
    assert acyclic(found)
    assert ((found | found.T) == (dag | dag.T)).all() and colliders(found) == colliders(dag)


def test_a_graph_without_an_extension_is_drawn_all_the_same():
    """A square without diagonals: some node of it must collide."""
    square = np.zeros((4, 4), dtype=int)
    for i in range(4):
        square[i, (i + 1) % 4] = square[(i + 1) % 4, i] = TAIL
    found = drawn(square)
    assert acyclic(found) and found.sum() == 4 and len(colliders(found)) == 1


def test_an_edge_with_two_arrows_is_none():
    both = np.array([[0, ARROW, 0], [ARROW, 0, TAIL], [0, ARROW, 0]])
    assert extension(both) == [(1, 2)]
