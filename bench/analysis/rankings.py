"""Which method is better: comparisons over the same SCMs, of a matrix [problems, methods].

Every function takes errors (lower is better) without gaps: `stats.blocks_by_methods` makes
such a matrix and refuses, or drops by a named policy, problems that some method lacks.

References:
    Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
    Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", 2021.
    Dolan and More, "Benchmarking optimization software with performance profiles", 2002.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bench.analysis.stats import Numbers, complete, holm

ALPHA = 0.05


def signed_rank(ours: Numbers, theirs: Numbers) -> float:
    """Two-sided p of Wilcoxon's signed-rank test over the same blocks; 1 where all are equal."""
    difference = np.subtract(ours, theirs)
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0


def smallest_p(blocks: int, comparisons: int) -> float:
    """The smallest p that signed ranks of so many blocks can reach, after Holm's first step."""
    return min(1.0, comparisons * 2.0 ** (1 - blocks))


def against(errors: pd.DataFrame, best: str) -> pd.Series:
    """Holm's adjusted p of every other method against `best`, paired signed ranks: {method: p}.

    Raises:
        ValueError: gaps in the matrix.
    """
    errors = complete(errors)
    others = errors.columns.drop(best)
    return pd.Series(holm([signed_rank(errors[m], errors[best]) for m in others]), others)


def not_worse(errors: pd.DataFrame, best: str) -> set[str]:
    """Methods not significantly worse than `best` at 5 %; empty where no test could tell.

    A method that is significantly *better* than `best` over these blocks is not worse either.

    Raises:
        ValueError: gaps in the matrix.
    """
    if smallest_p(len(errors), len(errors.columns) - 1) > ALPHA:
        return set()
    p = against(errors, best)
    above = {m for m in p.index if (errors[m] - errors[best]).median() > 0}
    return {m for m in p.index if p[m] > ALPHA or m not in above}


def ranks(errors: pd.DataFrame) -> pd.DataFrame:
    """The rank of each method on each problem, 1 the lowest error, ties averaged."""
    return complete(errors).rank(axis=1)


@dataclass(frozen=True)
class Friedman:
    """Friedman's test and Nemenyi's critical difference of mean ranks.

    Attributes:
        mean_ranks: {method: rank}, best first.
        chi2, p: of "all methods rank alike".
        n: blocks.
        cd: mean ranks closer than this are not told apart at 5 %.
    """

    mean_ranks: pd.Series
    chi2: float
    p: float
    n: int
    cd: float

    def cliques(self) -> list[tuple[str, ...]]:
        """The longest runs of methods whose mean ranks lie within the critical difference."""
        rank, found, end = self.mean_ranks, [], 0
        for start in range(len(rank)):
            stop = int((rank <= rank.iloc[start] + self.cd).sum())
            if stop > max(end, start + 1):
                found.append(tuple(rank.index[start:stop]))
            end = max(end, stop)
        return found


def friedman(errors: pd.DataFrame) -> Friedman:
    """Tests three or more methods over the same blocks.

    Raises:
        ValueError: gaps, fewer than three methods or two blocks.
    """
    blocks, methods = complete(errors).shape
    if methods < 3 or blocks < 2:
        raise ValueError(f"Friedman's test needs 3 methods and 2 blocks, not {methods}, {blocks}")
    with np.errstate(invalid="ignore"):  # 0/0 where all methods are level everywhere
        chi2, p = stats.friedmanchisquare(*errors.to_numpy().T)
    chi2, p = (0.0, 1.0) if np.isnan(chi2) else (chi2, p)
    mean_ranks = ranks(errors).mean().sort_values(kind="stable")
    return Friedman(mean_ranks, float(chi2), float(p), blocks, critical_difference(methods, blocks))


def critical_difference(methods: int, blocks: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of mean ranks (Demsar 2006, section 3.2.2)."""
    q = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / 2**0.5
    return float(q * (methods * (methods + 1) / (6 * blocks)) ** 0.5)


def win_rates(errors: pd.DataFrame) -> pd.DataFrame:
    """Share of problems on which the row's method beats the column's, a tie counting one half."""
    values = complete(errors).to_numpy()
    ours, theirs = values[:, :, None], values[:, None, :]
    share = ((ours < theirs) + 0.5 * (ours == theirs)).mean(0)
    return pd.DataFrame(share, errors.columns, errors.columns)


def probability_of_improvement(
    ours: Numbers, theirs: Numbers, strata: Sequence[Hashable] | np.ndarray
) -> float:
    """P(ours on one SCM < theirs on another of the same stratum), mean over strata, ties one half.

    Mann and Whitney's U by stratum, as Agarwal et al. 2021; unlike a win rate it does not pair.
    """
    frame = pd.DataFrame({"ours": ours, "theirs": theirs, "stratum": [str(s) for s in strata]})
    complete(frame)
    shares = [
        stats.mannwhitneyu(part["theirs"], part["ours"]).statistic / len(part) ** 2
        for _, part in frame.groupby("stratum")
    ]
    return float(np.mean(shares))


def performance_profile(errors: pd.DataFrame, factors: Numbers) -> pd.DataFrame:
    """Share of problems on which a method is within a factor of the best: [factors, methods].

    Raises:
        ValueError: gaps, or a best error that is not positive.
    """
    best = complete(errors).min(axis=1)
    if (best <= 0).any():
        raise ValueError("a performance profile needs positive errors")
    ratio = errors.div(best, axis=0)
    shares: Mapping[str, list] = {m: [(ratio[m] <= f).mean() for f in factors] for m in ratio}
    return pd.DataFrame(shares, index=pd.Index(factors, name="factor"))
