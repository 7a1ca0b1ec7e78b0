"""Questions about a table, and what an estimate must answer to be asked them.

Letters: N rows, D nodes, S SCMs that the data allow (draws of the estimate or bootstrap fits).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.reading.do import Effect
from bench.scm.do import Do
from bench.task import Dataset

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 100
NUMBERS = 2**22  # of all draws together: more rows than fit are thinned


class Estimate(Protocol):
    """An estimate that questions can be put to, here or in the process that fitted it."""

    label: str  # of the method, as in the names of files
    imputations: int = 0
    noise_space: str
    can_draw: bool

    def at(self, imputation: int) -> "Estimate":
        """The estimate of one of the imputations."""

    def prepare(self, upto: int, seed: int, bootstrap: int) -> None:
        """Fits to rows drawn again, the first `upto` of `bootstrap`."""

    def completed(self, n: int) -> np.ndarray:
        """The n rows as this imputation filled them, [n, D]."""

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Abducts the noise of rows."""

    def sample(self, n: int, do: Do | None = None, seed: int = 0) -> "pd.DataFrame":
        """Draws fresh rows."""

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """Says what rows would have been under do()."""

    def drawn(
        self, verb: str, df: "pd.DataFrame", do: Do, count: int, seed: int, bootstrap: int = 0
    ) -> np.ndarray:
        """Rows under do of SCMs that the data allow, [S, N, D]."""


@dataclass(frozen=True)
class Asked:
    """Questions about a table.

    Attributes:
        data: all rows.
        dos: (as written, do) of each question.
        effects: of one node on another.
        n: rows to sample.
        seed: of the samples and the draws.
        bootstrap: fits, 0: none.
        folder: of the files, None: none are written.
    """

    data: Dataset
    dos: Sequence[tuple[str, Do]]
    effects: Sequence[Effect]
    n: int
    seed: int = 0
    bootstrap: int = 0
    folder: Path | None = None

    @property
    def most_numbers(self) -> int:
        """How many numbers all draws together may have."""
        return NUMBERS

    def draws(self, estimate: "Estimate") -> bool:
        """Whether SCMs that the data allow can be asked."""
        return bool(self.bootstrap or estimate.can_draw)

    @property
    def count(self) -> int:
        """How many SCMs the data are asked for."""
        return self.bootstrap or DRAWS

    def drawn(self, estimate: "Estimate", verb: str, df: "pd.DataFrame", do: Do) -> np.ndarray:
        """What SCMs that the data allow answer, [S, N, D]."""
        return estimate.drawn(verb, df, do, self.count, self.seed, bootstrap=self.bootstrap)

    def below(self, causes: Sequence[str]) -> list[int]:
        """Nodes that descend from some of `causes` and are none of them."""
        reached = np.isin(np.array(self.data.names, dtype=object), list(causes))
        start = reached.copy()
        for _ in self.data.names:
            reached = reached | self.data.adjacency[reached].any(0)
        return np.flatnonzero(reached & ~start).tolist()


def name_of(*words: object) -> str:
    """A measured number's name in a record."""
    return json.dumps(words, ensure_ascii=False)


def label_of(method: str) -> str:
    """A method as in the names of files."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", method)
