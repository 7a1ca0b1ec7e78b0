"""All that a method may see: rows and a graph over their columns, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.reading.graphs import as_digraph
from bench.reading.numbers import numbers
from bench.scm.columns import FLOAT, Column, coded_columns, codes_of, table_of
from bench.scm.shown import MOST

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


def column_names(d: int) -> tuple[str, ...]:
    """Names the columns of a table without names: x0, x1, ..."""
    return tuple(f"x{j}" for j in range(d))


@dataclass(frozen=True, repr=False)
class Dataset:
    """All that a method may see: rows and the graph over their columns.

    Attributes:
        rows: the context, float64 [N, D], in the data's own units.
        names: of the columns, [D].
        adjacency: bool [D, D], True at [i, j] where column i causes column j.
        columns: their types, () where all are floats; see `bench.scm.columns`.

    Example:
        >>> import numpy as np
        >>> from bench import Dataset
        >>> Dataset.of(np.zeros((4, 3)), [("x0", "x2")])
        Dataset of 4 rows, 3 nodes and 1 edges: x0, x1, x2
    """

    rows: np.ndarray
    names: tuple[str, ...]
    adjacency: np.ndarray
    columns: tuple[Column, ...] = ()

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.names[:MOST])) + (", ..." if self.names[MOST:] else "")
        return f"Dataset of {len(self.rows)} rows, {self.size}: {shown}"

    @property
    def size(self) -> str:
        """How many nodes and edges, in words."""
        return f"{len(self.names)} nodes and {int(self.adjacency.sum())} edges"

    @classmethod
    def of(cls, df: "pd.DataFrame | np.ndarray", graph: "nx.DiGraph") -> "Dataset":
        """Reads a table and a graph over its columns; columns the graph lacks are isolated.

        Args:
            df: rows [N, D]; columns of an array are x0, x1, ...
            graph: a `networkx.DiGraph`, or pairs (cause, effect).

        Returns:
            Both as arrays.

        Raises:
            ValueError: see `bench.reading.numbers.numbers` and `bench.reading.graphs.as_digraph`;
                an edge to an unknown column.
        """
        rows, names = numbers(df)
        return cls(rows, names, _adjacency(graph, names))

    @classmethod
    def typed(cls, df: "pd.DataFrame | np.ndarray", graph: "nx.DiGraph") -> "Dataset":
        """`of`, with counts, yes and no, and categories as the dtypes of the columns say.

        Args:
            df: one row a unit, one column a node, [N, D].
            graph: over the columns of `df`; u -> v reads "u causes v".

        Raises:
            ValueError: see `of`.
        """
        coded, columns = coded_columns(df)
        plain = cls.of(coded, graph)
        return cls(plain.rows, plain.names, plain.adjacency, columns)

    @property
    def discrete(self) -> tuple[int, ...]:
        """Numbers of the columns whose values are levels."""
        return tuple(j for j, column in enumerate(self.columns) if column.discrete)

    def frame(self) -> "pd.DataFrame":
        """Gives the rows as a table, [N, D]."""
        return self.table(self.rows)

    def table(self, rows: np.ndarray) -> "pd.DataFrame":
        """Gives other `rows` [N, D] as a table with these columns."""
        if not self.columns:
            return as_frame(rows, self.names)
        return table_of(rows, self.names, self.columns)

    def codes(self, df: "pd.DataFrame") -> np.ndarray:
        """Reads `df`, with these columns, as rows [N, D]; see `bench.scm.columns.codes_of`."""
        return codes_of(df, self.names, self.columns) if self.columns else self.numbers(df)

    def numbers(self, df: "pd.DataFrame | np.ndarray") -> np.ndarray:
        """Reads `df`, numbers with these names as noise is, as rows [N, D]; NaN stays."""
        if isinstance(df, np.ndarray) or not hasattr(df, "columns"):
            return np.asarray(df, dtype=np.float64)
        return codes_of(df, self.names, (FLOAT,) * len(self.names))

    def graph(self) -> "nx.DiGraph":
        """Gives the graph; u -> v reads "u causes v"."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(self.names)
        for i, j in zip(*np.nonzero(self.adjacency), strict=True):
            graph.add_edge(self.names[i], self.names[j])
        return graph

    def parents(self) -> list[np.ndarray]:
        """Lists the parents of each node by their column numbers."""
        return [np.flatnonzero(column) for column in self.adjacency.T]


def as_frame(rows: np.ndarray, names: Sequence[str]) -> "pd.DataFrame":
    """A table of `rows` [N, D]."""
    import pandas as pd

    return pd.DataFrame(rows.copy(), columns=list(names))


def _adjacency(graph: "nx.DiGraph", names: tuple[str, ...]) -> np.ndarray:
    graph, place = as_digraph(graph), {name: i for i, name in enumerate(names)}
    adjacency = np.zeros((len(names), len(names)), dtype=bool)
    unknown = [node for node in graph.nodes if node not in place]
    if unknown:
        raise ValueError(f"unknown columns: the graph names {unknown[0]}, which the table lacks")
    for source, target in graph.edges:
        adjacency[place[source], place[target]] = True
    return adjacency
