"""Questions of one kind that are asked in one message, since a message each is slow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.scm.do import Do
from bench.task import Problem

SERIES_BYTES = 16 * 2**20


@dataclass
class Series:
    """Questions of one verb about the same rows [N, D], all asked when the first of them is."""

    rows: np.ndarray
    dos: Sequence[Do | None]
    answers: np.ndarray | None = None  # [len(dos), N, D]

    def place(self, rows: np.ndarray, do: Do | None) -> int | None:
        """Which of them a question is, None where it is none of them."""
        if len(self.dos) * self.rows.nbytes > SERIES_BYTES or not np.array_equal(rows, self.rows):
            return None
        return next((k for k, mine in enumerate(self.dos) if mine is do), None)


def foreseen(problem: Problem) -> dict[str, Series]:
    """The questions, by verb, that metrics ask of every estimate: a message each is slow."""
    if problem.query_noise_rows is None or not problem.clamps:
        return {}
    dos = [intervention.do for intervention in problem.interventions]
    return {
        "generate": Series(problem.query_noise_rows, [None, *dos]),
        "counterfactual": Series(problem.query_rows, dos),
    }
