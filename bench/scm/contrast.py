"""What setting one node to one value in place of another changes in a second node, and its errors.

Effects of single rows are counterfactual: the same row under both values. Intervals have a level of
90 % and come from SCMs that an estimate holds possible (`SCM.drawn`). Letters: N rows, S SCMs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.scm.base import SCM, to_array

if TYPE_CHECKING:
    import pandas as pd

OUTSIDE = 0.1  # of true values that intervals should leave out
ENDS = (OUTSIDE / 2, 1 - OUTSIDE / 2)
DRAWS, NUMBERS = 100, 2**21  # SCMs; numbers of all their answers together
SMALLEST = 0.05  # average effect, in deviations of the outcome, of which a ratio says something


@dataclass(frozen=True)
class Contrast:
    """The effect on `outcome` of do(cause = high) in place of do(cause = low).

    Attributes:
        cause, outcome: columns.
        low, high: values of the cause.
        true: effect on each query row, [N], in the outcome's units.
        unit: of errors, in the outcome's units.
    """

    cause: str
    outcome: str
    low: float
    high: float
    true: np.ndarray
    unit: float

    def of(self, scm: SCM, rows: "pd.DataFrame") -> np.ndarray:
        """The effect on each row as an SCM sees it, [N].

        Raises:
            ValueError: an answer has another shape or is not finite.
        """
        high, low = (
            to_array(scm.counterfactual(rows, {self.cause: value}), scm.names)
            for value in (self.high, self.low)
        )
        return self._checked((high - low)[:, scm.names.index(self.outcome)])

    def drawn(self, scm: SCM, rows: "pd.DataFrame") -> np.ndarray | None:
        """The effect on each row as SCMs see it that the data allow, [S, N]; None: none known."""
        values = np.repeat([self.high, self.low], len(rows))
        twice = rows.iloc[np.tile(np.arange(len(rows)), 2)]  # one question: SCMs are drawn once
        ends = scm.drawn("counterfactual", twice, {self.cause: values}, DRAWS, 0)
        if ends is None:
            return None
        high, low = np.split(ends[:, :, scm.names.index(self.outcome)], 2, axis=1)
        return self._checked(high - low)

    def thinned(self, rows: "pd.DataFrame") -> tuple["pd.DataFrame", "Contrast"]:
        """Evenly spaced rows with their effects, so few that all draws of them can be held."""
        step = -(-rows.size * DRAWS // NUMBERS)
        kept = Contrast(self.cause, self.outcome, self.low, self.high, self.true[::step], self.unit)
        return rows.iloc[::step], kept

    def _checked(self, effects: np.ndarray) -> np.ndarray:
        if effects.shape[-1:] != self.true.shape or not np.isfinite(effects).all():
            raise ValueError("the method answered with another number of rows, NaN or infinity")
        return effects

    def bias(self, effects: np.ndarray) -> float:
        """Signed error of the average of effects [N]."""
        return float((effects.mean() - self.true.mean()) / self.unit)

    def average(self, effects: np.ndarray) -> float:
        """Error of the average of effects [N] without its sign."""
        return abs(self.bias(effects))

    def relative(self, effects: np.ndarray) -> float:
        """Error of the average of effects [N] over the true average.

        Raises:
            ValueError: the true average is too near 0 for a ratio.
        """
        true = self.true.mean()
        if abs(true) < SMALLEST * self.unit:
            raise ValueError("the true average effect is too near 0 for a relative error")
        return float(abs(effects.mean() / true - 1))

    def individual(self, effects: np.ndarray) -> float:
        """Root mean square error of effects [N]: precision in estimating heterogeneous effects.

        Hill, "Bayesian nonparametric modeling for causal inference", Journal of Computational and
        Graphical Statistics 20, 2011.
        """
        return float(np.sqrt(np.square(effects - self.true).mean()) / self.unit)

    def interval_score(self, drawn: np.ndarray) -> float:
        """Width of the average's interval, plus 2 / 0.1 times how far the truth lies outside.

        Lowest in expectation for the true quantiles (Gneiting and Raftery, "Strictly proper scoring
        rules, prediction, and estimation", JASA 102, 2007, equation 43).

        Args:
            drawn: effects [S, N].
        """
        low, high = _ends(drawn.mean(1))
        true = self.true.mean()
        missed = max(low - true, true - high, 0.0)
        return float((high - low + 2 / OUTSIDE * missed) / self.unit)

    def outside(self, drawn: np.ndarray) -> float:
        """1 where the true average lies outside its interval, else 0."""
        low, high = _ends(drawn.mean(1))
        return float(not low <= self.true.mean() <= high)

    def rows_outside(self, drawn: np.ndarray) -> float:
        """Share of rows whose true effect lies outside its interval."""
        low, high = _ends(drawn)
        return float(((self.true < low) | (self.true > high)).mean())


def _ends(drawn: np.ndarray) -> np.ndarray:
    """Ends of intervals from draws [S, ...]: [2, ...]."""
    return np.quantile(drawn, ENDS, axis=0, method="weibull")
