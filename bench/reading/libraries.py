"""Graphs as causal-learn and pgmpy hold them; told by what they answer, so neither is imported."""

from typing import Any


def from_library(graph: Any) -> Any:
    """A causal-learn graph as its (cause, effect) pairs and nodes; all else as it is.

    pgmpy's are networkx graphs; in its `PDAG` an undirected edge is two, one each way.

    Raises:
        ValueError: an edge without one arrow, as in the class that a search returns; it is named.
    """
    for a, b in sorted(getattr(graph, "undirected_edges", ()), key=str):
        raise ValueError(_open(f"{a} -- {b}"))
    graph = getattr(graph, "G", graph)  # causal-learn's CausalGraph
    return _directed(graph) if hasattr(graph, "get_graph_edges") else graph


def _directed(graph: Any) -> Any:
    import networkx as nx

    plain = nx.DiGraph()
    plain.add_nodes_from(node.get_name() for node in graph.get_nodes())
    for edge in graph.get_graph_edges():
        ends = [edge.get_node1().get_name(), edge.get_node2().get_name()]
        marks = [edge.get_endpoint1().name, edge.get_endpoint2().name]
        if sorted(marks) != ["ARROW", "TAIL"]:
            raise ValueError(_open(str(edge)))
        plain.add_edge(*(ends if marks[1] == "ARROW" else reversed(ends)))
    return plain


def _open(edge: str) -> str:
    return f"the graph leaves an edge open: {edge}; decide on one arrow, cause -> effect"
