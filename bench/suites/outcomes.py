"""What is told of a node: its mean, of a category the share of each level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.task import Dataset


@dataclass(frozen=True)
class Outcome:
    """What is averaged over rows: a node's mean, or the share of one of its levels.

    Attributes:
        name: of a node, or NODE=LEVEL.
        j: the node's column.
        level: whose share, None: the mean.
    """

    name: str
    j: int
    level: int | None = None

    def of(self, values: np.ndarray) -> np.ndarray:
        """The node's values, of any shape -> what is averaged."""
        return values if self.level is None else (values == self.level).astype(float)


def outcomes(data: Dataset, nodes: Sequence[int]) -> list[Outcome]:
    """The outcomes of nodes, given by column number: one a level where a node is a category."""
    found = []
    for j in nodes:
        name = data.names[j]
        if data.columns and data.columns[j].kind == "category":
            levels = enumerate(data.columns[j].levels)
            found += [Outcome(f"{name}={label}", j, k) for k, label in levels]
        else:
            found.append(Outcome(name, j))
    return found


def observed(data: Dataset, name: str) -> np.ndarray:
    """The rows' values of a node or of NODE=LEVEL, [N].

    Raises:
        KeyError: there is none of that name.
    """
    for outcome in outcomes(data, range(len(data.names))):
        if outcome.name == name:
            return outcome.of(data.rows[:, outcome.j])
    if name in data.names:  # a category as it is set
        return data.rows[:, data.names.index(name)]
    raise KeyError(name)
