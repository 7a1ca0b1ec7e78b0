"""Edge lists under any usual header, and adjacency matrices, as delimited text."""

import math
import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from bench.reading.marks import refuse_open
from bench.reading.rows import cut
from bench.reading.text import separator_of

if TYPE_CHECKING:
    import networkx as nx

FORMS = "an edge list (header source,target), GML, GraphML, DOT, JSON node-link or a matrix"
HEADERS = (
    ("source", "target"),
    ("from", "to"),
    ("cause", "effect"),
    ("parent", "child"),
    ("tail", "head"),
    ("src", "dst"),
    ("u", "v"),
    ("start", "end"),
    ("node1", "node2"),
    ("origin", "destination"),
)
ORIENTATIONS = ("row-causes-column", "column-causes-row")


def read_edges(
    text: str, columns: Sequence[Hashable], orientation: str, notes: list[str]
) -> "nx.DiGraph":
    """An edge list or an adjacency matrix; see `read_graph`, whose `notes` are written here.

    Raises:
        ValueError: an unknown header, an empty end, an edge without one direction, a matrix without
            its orientation, or with NaN.
    """
    rows = cut(text.splitlines(), separator_of(text))
    lines = [(number, [cell.strip() for cell in row]) for number, row in rows]
    lines = [(number, row) for number, row in lines if any(row)]
    if not lines:
        raise ValueError(f"it is empty; a graph is {FORMS}")
    header = lines[0][1]
    if _is_matrix(header, [row for _, row in lines[1:]]):
        return _matrix(header, lines[1:], orientation)
    place, first = _ends(header, columns, notes)
    graph = _edges(lines[first:], place)
    refuse_open(header, lines[first:], place)
    return graph


def _ends(header: list[str], columns: Sequence[Hashable], notes: list[str]) -> tuple[Any, int]:
    """Which cells name cause and effect, and the first line that is an edge."""
    words = [re.sub(r"[\s_-]", "", word.lower().removesuffix("id")) for word in header]
    words = [re.sub("(node|variable|name)$", "", w) if len(w) > 5 else w for w in words]
    for cause, effect in HEADERS:
        if cause in words and effect in words:
            place = words.index(cause), words.index(effect)
            more = [header[k] for k in range(len(header)) if k not in place and header[k]]
            if more:
                notes.append(f"column {more[0]} is not read; every line is an edge")
            return place, 1
    if len(header) == 2 and set(header) <= set(map(str, columns)):
        notes.append("no header; every line is taken as cause, effect")
        return (0, 1), 0
    raise ValueError(
        f"line 1: header {','.join(header)[:60]!r} is not known; use source,target (a graph is "
        f"{FORMS})"
    )


def _edges(lines: list[tuple[int, list[str]]], place: tuple[int, int]) -> "nx.DiGraph":
    import networkx as nx

    graph = nx.DiGraph()
    for number, row in lines:
        ends = [row[k] if k < len(row) else "" for k in place]
        if not all(ends):
            what = "source" if not ends[0] else "target"
            raise ValueError(f"line {number}: the {what} is empty; name it or remove the line")
        graph.add_edge(*ends)
    return graph


def _is_matrix(header: list[str], rows: list[list[str]]) -> bool:
    names = [row[0] for row in rows]
    square = header[1:] == names or sorted(header) == sorted(names)
    return len(rows) > 0 and square and all(_is_number(c) for row in rows for c in row[1:])


def _matrix(
    header: list[str], lines: list[tuple[int, list[str]]], orientation: str
) -> "nx.DiGraph":
    import networkx as nx

    if orientation not in ORIENTATIONS:
        raise ValueError(
            "a matrix reads both ways; say --adjacency row-causes-column or column-causes-row"
        )
    names = header if len(header) == len(lines) else header[1:]
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for number, row in lines:
        if len(row) != len(names) + 1:
            raise ValueError(f"line {number} has {len(row)} cells, not {len(names) + 1}")
        cells = [_cell(number, name, cell) for name, cell in zip(names, row[1:], strict=True)]
        pairs = [(row[0], name) for name, cell in zip(names, cells, strict=True) if cell]
        graph.add_edges_from(pairs if orientation == ORIENTATIONS[0] else [p[::-1] for p in pairs])
    return graph


def _cell(line: int, name: str, cell: str) -> float:
    if not math.isfinite(float(cell)):
        raise ValueError(f"line {line}: the cell under {name} is {cell}; write 1 or 0 there")
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
