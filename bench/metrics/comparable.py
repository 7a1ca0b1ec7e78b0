"""Rows of a table as numbers whose differences mean something, in units that all nodes share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.scm.columns import Column


class Pair(NamedTuple):
    """Two sets of rows, [N, K] and [M, K], and what each column counts in a mean over nodes, [K].

    A node that does not vary is left out.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def comparable(x: np.ndarray, y: np.ndarray, columns: Sequence[Column] = ()) -> Pair:
    """Rows x [N, D] and y [M, D], each node in units of its deviation over both.

    A category has no order: it is an indicator for each level, all of them in one unit, so that
    rows drawn at random are as far apart in it as in a number.

    Args:
        columns: types of the columns, () where all are numbers.
    """
    both = np.vstack([x, y])
    free = np.flatnonzero(both.min(0) < both.max(0)).tolist()
    named = [j for j in free if columns and _nominal(columns[j])]
    if not named:
        unit = both[:, free].std(0, ddof=1)
        return Pair(x[:, free] / unit, y[:, free] / unit, np.ones(len(free)))
    parts = [_levels(both[:, j]) if j in named else both[:, [j]] for j in free]
    encoded = np.hstack([part / part.var(0, ddof=1).sum() ** 0.5 for part in parts])
    # half of the distance of indicators is the mass that moves, root 2 how far it goes
    share = [np.full(p.shape[1], 1 if p.shape[1] == 1 else 0.5**0.5) for p in parts]
    weight = np.concatenate(share) * encoded.shape[1] / len(parts)
    return Pair(encoded[: len(x)], encoded[len(x) :], weight)


def _nominal(column: Column) -> bool:
    return column.kind == "category" and not column.ordered


def _levels(codes: np.ndarray) -> np.ndarray:
    """An indicator for each level that there is, [N, levels]."""
    return (codes[:, None] == np.unique(codes)).astype(np.float64)
