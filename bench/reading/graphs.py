"""Causal graphs in the forms that people have them, as `networkx.DiGraph`; u -> v: u causes v."""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.reading.dot import START, read_dot
from bench.reading.edges import read_edges
from bench.reading.libraries import from_library
from bench.reading.text import read_text

if TYPE_CHECKING:
    import networkx as nx

EDGE_BYTES = 2**26
GML = re.compile(r"((creator.*|#.*)\n|\s)*(creator.*)?graph\s*\[")  # matched in one way only


def read_graph(
    source: Any, columns: Sequence[Hashable] = (), orientation: str = ""
) -> "tuple[nx.DiGraph, list[str]]":
    """A graph from a file, a text, a networkx graph or a list of pairs; and notes for the reader.

    Args:
        source: a path, a text as DoWhy and dagitty write them, `nx.DiGraph`, (cause, effect)s,
            or a graph of causal-learn or pgmpy.
        columns: of the table, to tell an edge list without a header from one with another header.
        orientation: of a matrix, one of `bench.reading.edges.ORIENTATIONS`.

    Raises:
        ValueError: none of these, an undirected edge, a cycle; names file, line and remedy.
    """
    if not isinstance(source, str | Path):
        return as_digraph(source), []
    path = Path(source)
    if is_text(source):
        label, text = "the graph", str(source)
    else:
        label, text = str(path), read_text(path, EDGE_BYTES)
    read, notes = _reader(path, text), list[str]()
    try:
        graph = read(text, columns, orientation, notes)
        return as_digraph(graph), [f"{label}: {note}" for note in notes]
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None
    except RecursionError:
        raise ValueError(f"{label} is nested too deeply for a graph") from None


def as_digraph(graph: Any) -> "nx.DiGraph":
    """A plain DiGraph of a networkx, causal-learn or pgmpy graph or of (cause, effect) pairs.

    Raises:
        ValueError: an undirected graph, something that is no graph, a cycle, which is named.
    """
    import networkx as nx

    if isinstance(graph, str | Path):
        return read_graph(graph)[0]
    graph = from_library(graph)
    if isinstance(graph, nx.Graph) and not graph.is_directed():
        raise ValueError(
            "the graph is undirected; give nx.DiGraph([(cause, effect), ...]), an arrow each"
        )
    plain = nx.DiGraph()
    if isinstance(graph, nx.Graph):
        plain.add_nodes_from(graph.nodes)
        plain.add_edges_from(graph.edges())
    else:
        plain.add_edges_from(_pairs(graph))
    refuse_cycle(plain)
    return plain


def refuse_cycle(graph: "nx.DiGraph") -> None:
    """Names a cycle of the graph.

    Raises:
        ValueError: there is one.
    """
    import networkx as nx

    if nx.is_directed_acyclic_graph(graph):
        return
    cycle = [edge[0] for edge in nx.find_cycle(graph)]
    path = " -> ".join(map(str, [*cycle, cycle[0]]))
    raise ValueError(f"the graph has a cycle: {path}; remove or turn one of these edges")


def _pairs(graph: Any) -> list[tuple]:
    wrong = (
        f"a graph is a networkx.DiGraph or a list of (cause, effect), not {type(graph).__name__}"
    )
    if not isinstance(graph, Iterable):
        raise ValueError(wrong)
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else () for pair in graph]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{wrong} of something else")
    return pairs


def is_text(source: str | Path) -> bool:
    """Whether a word given as a graph is the graph and not the name of a file."""
    text = str(source)
    looks = START.match(text) or re.match(r"\s*(creator.*)?graph\s*\[", text, re.I) or "->" in text
    if not looks:
        return False
    try:
        return not Path(source).exists()
    except OSError:  # too long for a name
        return True


Reader = Callable[[str, Sequence[Hashable], str, list[str]], Any]


def _reader(path: Path, text: str) -> Reader:
    """By content, and by the ending of the name where that says more."""
    head, ending = text.lstrip()[:200].lower(), path.suffix.lower()
    if ending == ".gml" or GML.match(head):
        return _read_gml
    if ending in (".graphml", ".xml") or head.startswith("<"):
        return _read_graphml
    if START.match(text):
        return _read_dot
    if ending == ".json" or head.startswith(("{", "[")):
        return _read_json
    if ending in (".csv", ".tsv") and "->" not in head.split("\n")[0]:
        return read_edges  # a column may hold arrows
    if ending in (".dot", ".gv") or "->" in head:
        return _read_dot
    return read_edges


def _read_dot(text: str, *_: Any) -> "nx.DiGraph":
    import networkx as nx

    nodes, edges = read_dot(text)
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return graph


def _read_gml(text: str, *_: Any) -> "nx.Graph":
    import networkx as nx

    text = re.sub(r"\s*\n\s*", "\n", text)
    for label in ("label", "name", "id"):
        try:
            return _as_text(nx.parse_gml(text, label=label))
        except nx.NetworkXError as error:
            problem = error
            if f"no {label!r} attribute" not in str(error):
                break
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise ValueError(
                f"a node, a label or an edge is not as GML has it ({_one_line(error)}); "
                'write node [ id 0 label "a" ] and edge [ source 0 target 1 ]'
            ) from None
    raise ValueError(f"not readable as GML: {_one_line(problem)}")


def _read_graphml(text: str, *_: Any) -> "nx.Graph":
    import networkx as nx

    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("GraphML with a DOCTYPE is not read; remove that line")
    try:
        graph = nx.parse_graphml(text)
    except Exception as error:
        raise ValueError(f"not readable as GraphML: {_one_line(error)}") from None
    labels = {n: a.get("label", a.get("name")) for n, a in graph.nodes(data=True)}
    known = None not in labels.values() and len(set(labels.values())) == len(labels)
    return _as_text(nx.relabel_nodes(graph, labels) if known else graph)


def _read_json(text: str, *_: Any) -> Any:
    """Node-link (networkx, d3), a list of pairs, or {cause: [effects]}."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not readable as JSON: line {error.lineno}: {error.msg}") from None
    if isinstance(found, dict) and (links := found.get("links", found.get("edges"))) is not None:
        if found.get("directed") is False:
            raise ValueError('the graph is undirected; set "directed": true if edges have arrows')
        return _node_link(found.get("nodes", []), links)
    if isinstance(found, dict):
        return [(a, str(b)) for a, effects in found.items() for b in _effects(a, effects)]
    return [tuple(map(str, pair)) for pair in _pairs(found)]


def _effects(cause: str, effects: Any) -> Iterable:
    """What a JSON object gives under a cause; a text there would be read letter by letter."""
    if not isinstance(effects, list | dict):
        said = json.dumps(effects)[:30]
        raise ValueError(f'{cause!r} has {said} and no list of effects; write one, as ["b", "c"]')
    return effects


def _node_link(nodes: Iterable, links: Iterable) -> "nx.DiGraph":
    import networkx as nx

    graph = nx.DiGraph()
    try:
        if isinstance(nodes, str):
            raise TypeError
        named = [n if isinstance(n, dict) else {"id": n} for n in nodes]
        graph.add_nodes_from(str(n["id"] if "id" in n else n["name"]) for n in named)
        for link in links:
            ends = (link["source"], link["target"]) if isinstance(link, dict) else link
            cause, effect = _pairs([ends])[0]
            graph.add_edge(str(cause), str(effect))
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            'a JSON graph has "nodes": [{"id"}] and "links": [{"source", "target"}]'
        ) from None
    return graph


def _as_text(graph: "nx.Graph") -> "nx.Graph":
    import networkx as nx

    return nx.relabel_nodes(graph, {node: str(node) for node in graph.nodes})


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
