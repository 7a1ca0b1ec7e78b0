"""What an SCM or a table of data says of itself in a session: plain text, a row a node."""

from collections.abc import Iterable, Sequence

import numpy as np

MOST = 12  # nodes that are shown


def parents_of(names: Sequence[object], adjacency: np.ndarray | None) -> list[str]:
    """Each node's parents by name, "-" for a root, "?" where no graph is known."""
    if adjacency is None:
        return ["?"] * len(names)
    columns = [[str(names[i]) for i in np.flatnonzero(column).tolist()] for column in adjacency.T]
    return [", ".join(parents) or "-" for parents in columns]


def rounded(values: Iterable[float]) -> list[str]:
    """Numbers as text of three significant digits."""
    return [f"{value:.3g}" for value in values]


def small_table(title: str, columns: dict[str, Sequence[str]]) -> str:
    """A title and a row a node, the first `MOST` of them.

    Args:
        title: the first line.
        columns: header -> cells, as many in each column.
    """
    total = max(map(len, columns.values()), default=0)
    cut = {header: [header, *cells[:MOST]] for header, cells in columns.items()}
    widths = {header: max(map(len, cells)) for header, cells in cut.items()}
    rows = zip(*([c.ljust(widths[h]) for c in cells] for h, cells in cut.items()), strict=True)
    more = [f"... and {total - MOST} more"] if total > MOST else []
    return "\n".join([title, *("  ".join(row).rstrip() for row in rows), *more])
