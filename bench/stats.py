"""Statistics over SCMs, the blocks of every comparison: pure functions of arrays of errors."""

from collections.abc import Sequence

import numpy as np

ROUNDING = 0.003  # standard deviation of a number uniform within its second printed digit


def mean_se(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error, sd (ddof = 1) / sqrt(n); the error of one value is NaN.

    Raises:
        ValueError: a value is NaN, or there is none.
    """
    numbers = np.asarray(values, dtype=float)
    if not len(numbers) or np.isnan(numbers).any():
        raise ValueError("statistics need values, none of them NaN")
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
