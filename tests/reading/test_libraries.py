"""Graphs of causal-learn and pgmpy, told as networkx tells them; skipped where they are absent."""

import networkx as nx
import pandas as pd
import pytest

from bench.reading.graphs import as_digraph
from bench.task import Dataset

COLLIDER = {("a", "c"), ("b", "c")}


def causal_learn(ends):
    """A causal-learn graph over a, b, c, d, from {(node, node): (endpoint, endpoint)}."""
    endpoint = pytest.importorskip("causallearn.graph.Endpoint", reason="needs causal-learn")
    from causallearn.graph.Edge import Edge
    from causallearn.graph.GeneralGraph import GeneralGraph
    from causallearn.graph.GraphNode import GraphNode

    nodes = {name: GraphNode(name) for name in "abcd"}
    graph = GeneralGraph(list(nodes.values()))
    for (one, other), marks in ends.items():
        first, second = (getattr(endpoint.Endpoint, mark) for mark in marks)
        graph.add_edge(Edge(nodes[one], nodes[other], first, second))
    return graph


def test_arrows_of_causal_learn_keep_their_direction():
    graph = as_digraph(causal_learn({("a", "c"): ("TAIL", "ARROW"), ("c", "b"): ("ARROW", "TAIL")}))
    assert set(graph.edges) == COLLIDER and set(graph.nodes) == set("abcd")


def test_what_a_search_of_causal_learn_returns_is_a_graph():
    search = pytest.importorskip("causallearn.graph.GraphClass", reason="needs causal-learn")
    found = search.CausalGraph(4, list("abcd"))  # as PC returns it: a graph within
    found.G = causal_learn({("a", "c"): ("TAIL", "ARROW"), ("b", "c"): ("TAIL", "ARROW")})
    table = pd.DataFrame([[0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 1.0]], columns=list("abcd"))
    assert set(Dataset.of(table, found).graph().edges) == COLLIDER


@pytest.mark.parametrize("marks", [("TAIL", "TAIL"), ("ARROW", "ARROW"), ("CIRCLE", "ARROW")])
def test_an_edge_that_a_search_leaves_open_is_named(marks):
    with pytest.raises(ValueError, match="an edge open: a .* b; decide"):
        as_digraph(causal_learn({("a", "b"): marks}))


def test_graphs_of_pgmpy_are_graphs():
    base = pytest.importorskip("pgmpy.base", reason="needs pgmpy")
    graph = as_digraph(base.DAG(sorted(COLLIDER)))
    assert set(graph.edges) == COLLIDER and type(graph) is nx.DiGraph
    assert set(as_digraph(base.PDAG(sorted(COLLIDER), [])).edges) == COLLIDER
    with pytest.raises(ValueError, match="an edge open: c -- d; decide"):
        as_digraph(base.PDAG([("a", "c")], [("c", "d")]))
