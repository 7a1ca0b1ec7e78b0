"""Graphs of the prior: their statistics, their order, the plan of their levels."""

import networkx as nx
import pytest
import torch

from bench.scm.graphs import GRAPHS, draw_graphs
from bench.scm.plan import make_plan


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# edges a node, mean longest path, share of roots; measured on 200 graphs each of the prior
STATISTICS = {
    (20, "er"): (1.92, 5.6, 0.29),
    (20, "sf_in"): (1.85, 5.1, 0.56),
    (20, "sf_out"): (1.76, 5.1, 0.05),
    (20, "ws"): (1.91, 7.0, 0.18),
    (20, "sbm"): (1.90, 5.7, 0.27),
    (100, "er"): (1.98, 8.1, 0.28),
    (100, "sf_in"): (1.96, 8.1, 0.60),
    (100, "sf_out"): (1.94, 8.0, 0.01),
    (100, "ws"): (2.20, 17.6, 0.12),
    (100, "sbm"): (2.00, 8.5, 0.27),
}


@pytest.mark.parametrize("d,kind", STATISTICS)
def test_graphs_have_the_statistics_of_the_prior(d, kind):
    adjacency = draw_graphs(kind, 300, d, generator())
    plan = make_plan(adjacency)
    edges = adjacency.sum((1, 2)).double().mean() / d
    longest = plan.level.amax(1).double().mean()
    roots = (~adjacency.any(1)).double().mean()
    expected = STATISTICS[d, kind]
    assert abs(edges - expected[0]) < 0.2
    assert abs(longest - expected[1]) < 0.12 * expected[1]
    assert abs(roots - expected[2]) < 0.04


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("d", [2, 3, 5, 10, 27])
def test_graphs_are_acyclic_at_any_size(kind, d):
    adjacency = draw_graphs(kind, 20, d, generator(d))
    assert adjacency.shape == (20, d, d)
    for one in adjacency.numpy():
        assert nx.is_directed_acyclic_graph(nx.from_numpy_array(one, create_using=nx.DiGraph))


def test_scale_free_graphs_have_their_number_of_edges():
    adjacency = draw_graphs("sf_in", 50, 20, generator())
    counts = set(adjacency.sum((1, 2)).tolist())
    assert counts == {m * 20 - m * (m + 1) // 2 for m in (1, 2, 3)}
    out = draw_graphs("sf_out", 50, 20, generator())
    assert int(out.sum(1).max()) == 3
    assert ((~out.any(1)).sum(1) == 1).all()


def test_nodes_come_in_random_order():
    adjacency = draw_graphs("sf_in", 400, 10, generator())
    indegree = adjacency.double().sum(1).mean(0)
    assert (indegree - indegree.mean()).abs().max() < 0.35


def test_a_cycle_is_refused():
    adjacency = torch.zeros(1, 3, 3, dtype=torch.bool)
    adjacency[0, 0, 1] = adjacency[0, 1, 2] = adjacency[0, 2, 0] = True
    with pytest.raises(ValueError, match="cycle"):
        make_plan(adjacency)


def test_levels_are_longest_paths():
    adjacency = torch.zeros(1, 4, 4, dtype=torch.bool)
    adjacency[0, 2, 1] = adjacency[0, 1, 0] = adjacency[0, 2, 0] = True  # 2 -> 1 -> 0, 2 -> 0; 3
    assert make_plan(adjacency).level.tolist() == [[2, 1, 0, 0]]
