"""A person's table and graph together: columns matched, every refusal with its file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.graphs import EDGE_BYTES, is_text, read_graph
from bench.reading.names import hint
from bench.reading.numbers import numbers
from bench.reading.tables import ParquetTable, TextTable, open_table
from bench.reading.text import read_text

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


@dataclass(frozen=True)
class Own:
    """A table and a graph of one's own, as they were read.

    Attributes:
        frame: the nodes' columns, float64.
        graph: over these columns.
        notes: a line each.
        file: to read other columns of.
    """

    frame: "pd.DataFrame"
    graph: "nx.DiGraph"
    notes: tuple[str, ...]
    file: TextTable | ParquetTable

    @property
    def columns(self) -> list[str]:
        """All names of the table."""
        return self.file.names

    def beside(self, names: Sequence[str]) -> "pd.DataFrame":
        """Columns of the table that need not be nodes, numbers.

        Raises:
            ValueError: text in one of them.
        """
        return self.file.read(names).frame if names else self.frame[[]]


def read_own(
    data: Path,
    graph: Any,
    *,
    every: bool = False,
    orientation: str = "",
) -> Own:
    """Reads a table and the graph over its columns.

    Args:
        data: a file. graph: a file or a text; see `read_graph`.
        every: keep the columns that are in no edge. orientation: of a matrix.

    Raises:
        ValueError: see `read_graph`, `read_table`, `numbers`; a node that the table lacks, a
            constant column, fewer than 4 rows.
    """
    import pandas as pd

    file = open_table(data)
    arrows, notes = read_graph(graph, file.names, orientation)
    _match(arrows, file.names, graph, data)
    table = file.read([*arrows.nodes], every)
    nodes = list(table.frame)
    try:
        rows = numbers(table.frame[nodes], file.place)[0]
    except ValueError as error:
        raise ValueError(f"{data}: {error}") from None
    arrows.add_nodes_from(nodes)
    constant = np.ptp(rows, axis=0) == 0
    if constant.any():
        name = nodes[int(constant.argmax())]
        raise ValueError(f"{data}: column {name} is constant; take it out of the graph")
    if len(rows) < 4:
        raise ValueError(f"{data} has {len(rows)} rows; half are fitted, half scored: at least 4")
    frame = pd.DataFrame(rows, columns=nodes)
    said = tuple(f"{data}: {note}" for note in table.notes) + tuple(notes)
    return Own(frame, arrows, said, file)


def _match(arrows: "nx.DiGraph", names: Sequence[str], source: Any, data: Path) -> None:
    """Refuses a graph over columns that the table lacks, with the line that names one."""
    unknown = [name for name in arrows.nodes if name not in set(names)]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise ValueError(
            f"unknown columns: {_named_in(source, str(unknown[0]))} names {unknown[0]}{more}, "
            f"which {data} lacks ({hint(str(unknown[0]), names)})"
        )


def _named_in(source: Any, name: str) -> str:
    """Where a graph names a node first, as far as its text tells."""
    if is_text(source):
        return "the graph"
    for number, line in enumerate(read_text(Path(source), EDGE_BYTES).splitlines(), 1):
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", line):
            return f"{source}, line {number},"
    return str(source)
