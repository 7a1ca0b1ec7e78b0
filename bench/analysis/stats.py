"""Statistics over SCMs, the blocks of every comparison: pure functions of arrays of errors.

One cell of a table has few SCMs: its interval is Student's. A pool of cells has many: its interval
is a bootstrap over SCMs within strata (scenario and d), so that a draw never mixes easy and hard
problems in other shares than the design did.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

ROUNDING = 0.003  # standard deviation of a number uniform within its second printed digit
POLICIES = ("error", "common")

Statistic = Callable[[np.ndarray], np.ndarray]
"""[..., N] -> [...], over the last axis."""


def blocks_by_methods(rows: pd.DataFrame, missing: str = "error") -> pd.DataFrame:
    """Errors of one metric as a matrix: a row a problem, a column a method, no gaps.

    Args:
        rows: columns problem, method, value; one row a cell.
        missing: what to do with problems that some method lacks: refuse ("error"), or keep the
            problems that all methods have ("common").

    Raises:
        ValueError: unknown policy; gaps under "error"; nothing left under "common".
    """
    if missing not in POLICIES:
        raise ValueError(f"missing is one of {', '.join(POLICIES)}, not {missing!r}")
    errors = rows.pivot(index="problem", columns="method", values="value")
    if missing == "common":
        errors = errors.dropna()
    return complete(errors)


def complete(errors: pd.DataFrame) -> pd.DataFrame:
    """The matrix of errors [problems, methods] itself.

    Raises:
        ValueError: it is empty or has a NaN, that is, methods have unequal sets of problems.
    """
    if errors.empty:
        raise ValueError("no problem has all the methods")
    gaps = errors.isna().sum()
    if gaps.any():
        short = ", ".join(f"{m} {len(errors) - n}/{len(errors)}" for m, n in gaps.items() if n)
        raise ValueError(f"paired statistics need equal sets of problems: {short}; name a policy")
    return errors


def _numbers(values: Sequence[float]) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if not len(numbers) or np.isnan(numbers).any():
        raise ValueError("statistics need values, none of them NaN")
    return numbers


def mean_se(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error, sd (ddof = 1) / sqrt(n); the error of one value is NaN.

    Raises:
        ValueError: a value is NaN, or there is none.
    """
    numbers = _numbers(values)
    if len(numbers) == 1:
        return float(numbers[0]), float("nan")
    return float(numbers.mean()), float(numbers.std(ddof=1) / len(numbers) ** 0.5)


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
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


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
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
    values: Sequence[float],
    strata: Sequence[Hashable],
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


def log_ratio_to_floor(errors: Sequence[float], floor: Sequence[float]) -> np.ndarray:
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
