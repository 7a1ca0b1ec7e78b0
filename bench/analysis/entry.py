"""A number of a table with its error, and a table of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.analysis.stats import interquartile_mean, mean_se

EXPLODES = 10.0  # a mean so many times the median is of one or two SCMs


@dataclass(frozen=True)
class Entry:
    """One number of a table: mean and standard error over n of `total` SCMs.

    `best` is the lowest mean of its cell, `near` is not significantly worse. `middle` is (median,
    interquartile mean) where the mean says little, because it explodes on one or two SCMs.
    """

    mean: float
    se: float
    n: int
    total: int
    best: bool = False
    near: bool = False
    digits: int = 3
    middle: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, values: Sequence[float], total: int, digits: int = 3, *, is_error: bool = True
    ) -> "Entry":
        """The entry of one value an SCM; what is no error, as a share, does not explode."""
        (mean, error), median = mean_se(values), float(np.median(values))
        middle = None
        if is_error and abs(mean) > EXPLODES * abs(median) and round(abs(mean), digits) > 0:
            middle = (median, float(interquartile_mean(np.asarray(values))))
        return cls(mean, error, len(values), total, digits=digits, middle=middle)

    def text(self) -> str:
        """Writes mean (SE), n/N where SCMs are missing, medians where the mean explodes."""
        error = "" if math.isnan(self.se) else f" ({self._number(self.se)})"
        share = "" if self.n == self.total else f" {self.n}/{self.total}"
        middle = ""
        if self.middle:
            median, trimmed = map(self._number, self.middle)
            middle = f" [median {median}, trimmed {trimmed}]"
        return f"{self._number(self.mean)}{error}{share}{middle}"

    def _number(self, value: float) -> str:
        return f"{value:.2g}" if abs(value) >= 1e4 else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Table:
    """A caption, a header and rows of text or entries."""

    name: str
    caption: str
    header: list[str]
    rows: list[list[str | Entry]] = field(default_factory=list)
