"""Effects of a treatment in the SCMs of `lorch`: on average and row by row, against known truth.

The treatment is a node that moves another one; low and high are the quartiles of a normal
distribution of its mean and deviation. `continuous`: rows are those of `lorch`. `binary`: the
treatment is set to the nearer of the two values in context and query, so that it depends on its
parents as before, by a threshold; the truth is then known of the effect only. The outcome's unit is
its standard deviation over context and query rows.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.scm.base import order
from bench.suites.contrasts import choose_effect, contrast_of
from bench.suites.lorch import LORCH, LorchTask
from bench.suites.smallest import TWO_CELLS
from bench.task import Dataset, Problem, as_frame, seed_of

TREATMENTS = ("continuous", "binary")


@dataclass(frozen=True, kw_only=True)
class EffectTask(LorchTask):
    """A lorch problem that asks for an effect.

    Attributes:
        treatment: of `TREATMENTS`.
    """

    treatment: str = "continuous"

    def problem(self) -> Problem:
        """The lorch problem with an effect, which moves with the query and not with the context."""
        problem = super().problem()
        truth, query = problem.known_truth, problem.query_rows
        below = order(problem.data.adjacency)[1]
        seed = seed_of(replace(self, treatment="continuous").scm, "effect")
        effect = choose_effect(truth, below, query, seed)
        if self.treatment == "binary":
            problem = _thresholded(problem, effect[0], *effect[2:])
        contrast = contrast_of(truth, problem.query_rows, effect, problem.scale)
        return replace(problem, contrast=contrast)


def _thresholded(problem: Problem, cause: int, low: float, high: float) -> Problem:
    """The problem with one node set to `low` or `high`, whichever is nearer to what it was."""
    names, truth = problem.data.names, problem.known_truth

    def two_values(rows: np.ndarray) -> np.ndarray:
        values = np.where(rows[:, cause] < (low + high) / 2, low, high)
        return truth.counterfactual(as_frame(rows, names), {names[cause]: values}).to_numpy()

    return Problem(
        name=problem.name,
        data=Dataset(two_values(problem.data.rows), names, problem.data.adjacency),
        query_rows=two_values(problem.query_rows),
    )


EFFECTS = replace(
    LORCH,
    name="effects",
    about="Effects of a treatment in the lorch SCMs: who tells averages, single rows, how surely",
    source="ours; SCMs of Lorch et al. 2022, table 3; see bench/docs/effects.md",
    kind=EffectTask,
    axes={**LORCH.axes, "treatment": TREATMENTS},
    presets={
        "smoke": [TWO_CELLS],
        "quick": [{"graph_kind": ("er", "ws"), "scms": (3,)}],
        "paper": [{"d": (10, 20), "scms": (3,)}],
    },
    choices={**LORCH.choices, "treatment": TREATMENTS},
)
