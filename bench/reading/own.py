"""A person's table and graph together: columns matched, every refusal with its file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.graphs import EDGE_BYTES, is_text, read_graph
from bench.reading.missing import without_holes
from bench.reading.names import hint
from bench.reading.numbers import numbers
from bench.reading.tables import OpenTable, open_table
from bench.reading.text import read_text
from bench.reading.types import describe, parse_types, with_types
from bench.scm.columns import Column, coded_columns, column_of

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


@dataclass(frozen=True)
class Own:
    """A table and a graph of one's own, as they were read.

    Attributes:
        frame: the nodes' columns with their types.
        graph: over these columns.
        notes: a line each.
        file: to read other columns of.
        kept: numbers of the rows that are used.
    """

    frame: "pd.DataFrame"
    graph: "nx.DiGraph"
    notes: tuple[str, ...]
    file: OpenTable
    kept: np.ndarray

    @property
    def kinds(self) -> dict[str, Column]:
        """The type of each node's column."""
        return {name: column_of(column) for name, column in self.frame.items()}

    @property
    def columns(self) -> list[str]:
        """Names of all columns of the table, nodes or not."""
        return self.file.names

    def beside(self, names: Sequence[str]) -> "pd.DataFrame":
        """Columns of the table that need not be nodes, in the rows that are used.

        Raises:
            ValueError: text among the numbers of one of them.
        """
        if not names:
            return self.frame[[]]
        return self.file.read(names, levels=()).frame.iloc[self.kept].reset_index(drop=True)


def read_own(
    data: Path,
    graph: Any,
    *,
    every: bool = False,
    orientation: str = "",
    types: Sequence[str] | None = None,
    missing: str = "error",
) -> Own:
    """Reads a table and the graph over its columns.

    Args:
        data: a file. graph: a file or a text; see `read_graph`.
        every: keep the columns that are in no edge. orientation: of a matrix.
        types: as "x=category", None: all columns are floats. missing: see `bench.reading.missing`.

    Raises:
        ValueError: see `read_graph`, `read_table`, `numbers`; a node that the table lacks, a
            constant column, fewer than 4 rows.
    """
    file = open_table(data)
    arrows, notes = read_graph(graph, file.names, orientation)
    _match(arrows, file.names, graph, data)
    asked = parse_types(types or (), file.names)
    free = [name for name, kind in asked.items() if kind in ("bool", "category")]
    table = file.read([*arrows.nodes], every, None if types is None else free)
    try:
        frame = table.frame
        if types is not None:
            frame = with_types(frame, {n: k for n, k in asked.items() if n in frame}, file.place)
        frame, holes = without_holes(frame, missing)
        _check(frame if missing == "error" else frame.dropna(), file.place)
    except ValueError as error:
        raise ValueError(f"{data}: {error}") from None
    arrows.add_nodes_from(frame)
    kept, frame = frame.index.to_numpy(), frame.reset_index(drop=True)
    said = [*table.notes, *holes] + ([describe(frame)] if types is not None else [])
    frame = frame.astype(float) if types is None else frame
    return Own(frame, arrows, (*(f"{data}: {note}" for note in said), *notes), file, kept)


def _check(frame: "pd.DataFrame", place: Callable[[int], str]) -> None:
    """Refuses rows, their index that of the file, that are no numbers or levels, or do not vary.

    Raises:
        ValueError: they are not.
    """
    coded, _ = coded_columns(frame)
    rows = numbers(coded, lambda row: place(int(frame.index[row])))[0]
    constant = np.ptp(rows, axis=0) == 0
    if constant.any():
        name = frame.columns[int(constant.argmax())]
        raise ValueError(f"column {name} is constant; take it out of the graph")
    if len(rows) < 4:
        raise ValueError(f"it has {len(rows)} rows; half are fitted, half scored: at least 4")


def _match(arrows: "nx.DiGraph", names: Sequence[str], source: Any, data: Path) -> None:
    """Refuses a graph over columns that the table lacks, with the line that names one."""
    known = set(names)
    unknown = [name for name in arrows.nodes if name not in known]
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
