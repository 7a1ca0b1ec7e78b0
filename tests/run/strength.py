"""A suite with an axis of its own, as a stranger would write it: chains of two."""

from dataclasses import dataclass

import numpy as np

from bench.suite import Suite
from bench.task import Dataset, Problem, Task, seed_of


@dataclass(frozen=True, kw_only=True)
class StrengthTask(Task):
    """x1 = strength x0 + noise; no truth is told."""

    strength: float
    n_context: int = 50

    def problem(self) -> Problem:
        """Draws rows."""
        rng = np.random.default_rng(seed_of("strength", self.strength, self.index, self.seed))
        noise = rng.normal(size=(2 * self.n_context, 2))
        rows = np.column_stack([noise[:, 0], self.strength * noise[:, 0] + noise[:, 1]])
        data = Dataset(rows[: self.n_context], ("x0", "x1"), np.eye(2, k=1, dtype=bool))
        return Problem(data, rows[self.n_context :])


STRENGTH = Suite(
    name="strength",
    about="Chains of two",
    source="none",
    licence="MIT",
    kind=StrengthTask,
    axes={"strength": (1.0, 10.0), "scms": (2,)},
    presets={"quick": [{}]},
)
