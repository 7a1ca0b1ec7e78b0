"""Statistics over SCMs, the blocks of every comparison: pure functions of arrays of errors.

One cell of a table has few SCMs: its interval is Student's. A pool of cells has many: its interval
is a bootstrap over SCMs within strata (scenario and d), so that a draw never mixes easy and hard
problems in other shares than the design did.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

ROUNDING = 0.003  # standard deviation of a number uniform within its second printed digit
POLICIES = ("error", "common")

Numbers = Sequence[float] | np.ndarray
Statistic = Callable[[np.ndarray], np.ndarray]
"""[..., N] -> [...], over the last axis."""


def blocks_by_methods(rows: pd.DataFrame, missing: str = "error") -> pd.DataFrame:
    """Errors of one metric as a matrix: a row an SCM, a column a method, no gaps.

    The settings of one SCM (context rows, alpha, ...) are averaged over those that all methods
    have, never counted as more SCMs.

    Args:
        rows: columns task, scm, method, value; one row a cell.
        missing: what to do with problems that some method lacks: refuse ("error"), or keep the
            problems that all methods have ("common").

    Raises:
        ValueError: unknown policy; gaps under "error"; nothing left under "common".
    """
    errors = by_task(rows, missing)
    return errors.groupby(_scm_of(rows).reindex(errors.index), sort=False).mean()


def by_task(rows: pd.DataFrame, missing: str = "error") -> pd.DataFrame:
    """As `blocks_by_methods`, a row a task: the settings of one SCM apart."""
    if missing not in POLICIES:
        raise ValueError(f"missing is one of {', '.join(POLICIES)}, not {missing!r}")
    rows = rows.dropna(subset="value")
    methods = list(dict.fromkeys(rows["method"]))
    errors = rows.pivot(index="task", columns="method", values="value")[methods]
    errors = errors.loc[list(dict.fromkeys(rows["task"]))]
    return complete(errors.dropna() if missing == "common" else errors)


def _scm_of(rows: pd.DataFrame) -> pd.Series:
    return rows.drop_duplicates("task").set_index("task")["scm"]


def mean_by_scm(values: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Values by task, the settings of one SCM averaged: {scm: value}."""
    return values.groupby(_scm_of(rows).reindex(values.index), sort=False).mean()


def complete(errors: pd.DataFrame) -> pd.DataFrame:
    """The matrix of errors [problems, methods] itself.

    Raises:
        ValueError: it is empty or has a NaN, that is, methods have unequal sets of problems.
    """
    if errors.empty:
        raise ValueError("no problem has a value of every method; choose fewer by --methods")
    gaps = errors.isna().sum()
    if gaps.any():
        short = ", ".join(f"{m} {len(errors) - n}/{len(errors)}" for m, n in gaps.items() if n)
        raise ValueError(
            f"paired statistics need equal sets of problems: {short}; missing='common' keeps those "
            "that all have"
        )
    return errors


def _numbers(values: Numbers) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if not len(numbers) or np.isnan(numbers).any():
        raise ValueError("statistics need values, none of them NaN")
    return numbers


def mean_se(values: Numbers) -> tuple[float, float]:
    """Mean and standard error, sd (ddof = 1) / sqrt(n); the error of one value is NaN.

    Raises:
        ValueError: a value is NaN, or there is none.
    """
    numbers = _numbers(values)
    if len(numbers) == 1:
        return float(numbers[0]), float("nan")
    return float(numbers.mean()), float(numbers.std(ddof=1) / len(numbers) ** 0.5)


def paired_difference(ours: Numbers, theirs: Numbers) -> tuple[float, float]:
    """Mean difference over the same blocks and its standard error.

    Raises:
        ValueError: unequal numbers of blocks.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired statistics need equal sets, not {len(ours)} and {len(theirs)}")
    return mean_se(np.subtract(ours, theirs))


def combined_se(ours: float, published: float) -> float:
    """Standard error of a difference of ours and a figure printed to two digits."""
    return float(np.sqrt(np.nan_to_num(ours) ** 2 + published**2 + 2 * ROUNDING**2))


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums of means: its value, and the standard error of its logarithm."""

    value: float
    se: float

    def interval(self, level: float) -> tuple[float, float]:
        """Normal interval of the logarithm, as ratios."""
        half = stats.norm.ppf((1 + level) / 2) * self.se
        return float(self.value * np.exp(-half)), float(self.value * np.exp(half))

    def within(self, factor: float) -> str:
        """Whether the ratio is within a factor of 1: yes (two one-sided tests), no, not known."""
        low, high = self.interval(0.9)
        if 1 / factor <= low and high <= factor:
            return "yes"
        low, high = self.interval(0.95)
        return "no" if high < 1 / factor or low > factor else "not known"


def pooled_ratio(ours: Sequence[pd.Series], means: Numbers, errors: Numbers) -> Ratio:
    """Our errors over published means, both summed over cells, by the delta method.

    An SCM that is in several cells counts as one: what it adds to the sum is its influence, and
    the variance is that of the influences.

    Args:
        ours: for each cell, {scm: error}, one SCM or more. means, errors: published, printed to
            two digits, with their standard errors.
    """
    total = sum(float(cell.mean()) for cell in ours)
    influence: dict[Hashable, float] = {}
    for cell in ours:
        n = len(cell)
        widen = (n / (n - 1)) ** 0.5 if n > 1 else 1.0
        for scm, value in cell.items():
            share = widen * (value - cell.mean()) / n
            influence[scm] = influence.get(scm, 0.0) + share
    variance = sum(share**2 for share in influence.values()) / total**2
    printed = float(np.sum(means))
    variance += float(np.sum(np.square(errors) + ROUNDING**2)) / printed**2
    return Ratio(total / printed, variance**0.5)


def t_interval(values: Numbers, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of one cell; infinite for a single value.

    Raises:
        ValueError: a value is NaN, or there is none.
    """
    mean, error = mean_se(values)
    if np.isnan(error):
        return -np.inf, np.inf
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * error
    return mean - half, mean + half


def bootstrap_interval(
    values: Numbers,
    strata: Sequence[Hashable] | np.ndarray,
    rng: np.random.Generator,
    statistic: Statistic = lambda draws: draws.mean(-1),
    draws: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a statistic of a pool, SCMs drawn again within each stratum.

    A stratum of n values understates its variance by (n - 1) / n, much when n is 2 or 3: its
    values are first moved away from their mean by sqrt(n / (n - 1)). The percentiles are those that
    widen a normal interval to Student's, N less the number of strata as its degrees of freedom
    (the expanded percentile interval of Hesterberg, The American Statistician 69, 2015).

    Args:
        values: one a problem, [N]. strata: the stratum of each, [N]. rng: of the draws.
        statistic: [draws, N] -> [draws]. draws: number of resamples. level: of the interval.

    Raises:
        ValueError: NaN, unequal lengths, or a stratum of one value, which has no spread.
    """
    numbers = _numbers(values)
    labels, members = np.unique([str(s) for s in strata], return_inverse=True)
    if len(members) != len(numbers):
        raise ValueError(f"{len(numbers)} values have {len(members)} strata")
    resampled = np.empty((draws, len(numbers)))
    for k, label in enumerate(labels):
        here = np.flatnonzero(members == k)
        if len(here) < 2:
            raise ValueError(f"stratum {label} has one value: no spread to draw from")
        mean = numbers[here].mean()
        apart = mean + (numbers[here] - mean) * (len(here) / (len(here) - 1)) ** 0.5
        resampled[:, here] = rng.choice(apart, (draws, len(here)))
    freedom = len(numbers) - len(labels)
    tail = stats.norm.cdf(stats.t.ppf((1 - level) / 2, freedom))
    low, high = np.quantile(statistic(resampled), (tail, 1 - tail))
    return float(low), float(high)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half over the last axis (Agarwal et al. 2021): [..., N] -> [...]."""
    return stats.trim_mean(values, 0.25, axis=-1)


def log_ratio_to_floor(errors: Numbers, floor: Numbers) -> np.ndarray:
    """log(error / floor) of each problem, [N]; exp of its mean is the geometric mean ratio.

    Raises:
        ValueError: unequal lengths, NaN, or an error or floor that is not positive.
    """
    ours, best = _numbers(errors), _numbers(floor)
    if len(ours) != len(best):
        raise ValueError(f"paired statistics need equal sets, not {len(ours)} and {len(best)}")
    if (ours <= 0).any() or (best <= 0).any():
        raise ValueError("a ratio to the floor needs positive errors")
    return np.log(ours / best)


def holm(p: Numbers) -> np.ndarray:
    """Adjusts the p-values of tests that are judged together.

    Rejecting what is below a level then rejects any true hypothesis with at most that chance.

    Args:
        p: of each test, [K].

    Returns:
        The adjusted values, at most 1, in the order given.

    References:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
        Statistics 6, 1979.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
