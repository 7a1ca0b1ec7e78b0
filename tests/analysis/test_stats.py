"""Statistics: known answers from algebra, scipy and textbooks, and coverage by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from bench.analysis import rankings, stats

# AUC of four variants of C4.5 on 14 data sets: Demsar, JMLR 7, 2006, table 6. Its ranks are of
# unrounded figures: in the 13th row the third variant is printed like the fourth and ranked before.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.0, 1.0, 1.0, 1.0],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
NAMES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def demsar():
    return pd.DataFrame(-DEMSAR, columns=NAMES)


def random_errors(blocks=10, methods=4, seed=0):
    values = np.random.default_rng(seed).gamma(2, size=(blocks, methods))
    return pd.DataFrame(values, columns=list("abcdefgh")[:methods])


@pytest.mark.filterwarnings("error")
def test_methods_that_are_level_everywhere_differ_in_nothing():
    found = rankings.friedman(pd.DataFrame(np.ones((4, 3)), columns=["a", "b", "c"]))
    assert (found.chi2, found.p) == (0.0, 1.0)


def test_friedman_and_nemenyi_of_the_textbook():
    found = rankings.friedman(demsar())
    assert found.mean_ranks.round(3).to_dict() == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.0,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    assert found.cd == pytest.approx(1.25, abs=0.005) and found.n == 14
    assert found.p == pytest.approx(scipy_stats.friedmanchisquare(*DEMSAR.T).pvalue)
    without_ties = 12 * 14 / 20 * (np.square(found.mean_ranks).sum() - 4 * 25 / 4)
    assert without_ties == pytest.approx(9.28, abs=0.01)
    assert found.chi2 >= without_ties
    assert found.cliques() == [tuple(found.mean_ranks.index)]


@pytest.mark.parametrize("k,q", [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_are_those_of_the_textbook(k, q):
    """Demsar 2006, table 5a."""
    assert rankings.critical_difference(k, 6) == pytest.approx(
        q * math.sqrt(k * (k + 1) / 36), rel=5e-4
    )


def test_cliques_are_the_longest_runs_within_the_critical_difference():
    ranks = pd.Series({"a": 1.0, "b": 1.5, "c": 2.2, "d": 4.0, "e": 4.1})
    found = rankings.Friedman(ranks, 0, 0, 9, cd=1.0).cliques()
    assert found == [("a", "b"), ("b", "c"), ("d", "e")]


def test_holm_by_hand():
    """Sorted .01 .02 .03 .04 become 4, 3, 2, 1 times themselves, and never fall."""
    np.testing.assert_allclose(stats.holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(stats.holm([0.5, 0.6]), [1, 1])
    assert not len(stats.holm([]))


def test_signed_ranks_agree_with_scipy_and_reach_their_smallest_p():
    errors = random_errors()
    expected = scipy_stats.wilcoxon(errors["a"], errors["b"]).pvalue
    assert rankings.signed_rank(errors["a"], errors["b"]) == pytest.approx(expected)
    assert rankings.signed_rank([1, 2], [1, 2]) == 1
    for n in (6, 9):
        reached = rankings.signed_rank(np.arange(1, n + 1), np.zeros(n))
        assert rankings.smallest_p(n, 1) == pytest.approx(reached) == pytest.approx(2 ** (1 - n))


def test_a_method_is_marked_only_where_a_test_could_tell():
    rng = np.random.default_rng(0)
    best = rng.gamma(2, size=12)
    errors = pd.DataFrame(
        {"best": best, "worse": best + 1 + 0.01 * np.arange(12), "like": best + rng.normal(size=12)}
    )
    assert rankings.not_worse(errors, "best") == {"like"}
    assert "best" in rankings.not_worse(errors, "worse")
    assert rankings.not_worse(errors.head(6), "best") == set()


def test_win_rates_and_probability_of_improvement_by_hand():
    errors = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 2, 2, 2]})
    assert rankings.win_rates(errors).loc["a", "b"] == (1 + 0.5) / 4
    assert (rankings.win_rates(errors) + rankings.win_rates(errors).T == 1).all(axis=None)
    improvement = rankings.probability_of_improvement
    assert improvement([1, 2], [3, 4], ["s", "s"]) == 1
    assert improvement([1, 4], [2, 2], ["s", "s"]) == 0.5
    assert improvement([1, 2, 9, 9], [3, 4, 5, 6], [0, 0, 1, 1]) == 0.5
    assert improvement([1, 2, 3], [1, 2, 3], [0, 0, 0]) == 0.5


def test_a_performance_profile_by_hand():
    errors = pd.DataFrame({"a": [1.0, 1, 4], "b": [2.0, 3, 1]})
    profile = rankings.performance_profile(errors, (1, 2, 3, 4))
    np.testing.assert_allclose(profile["a"], [2 / 3, 2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(profile["b"], [1 / 3, 2 / 3, 1, 1])
    with pytest.raises(ValueError, match="positive"):
        rankings.performance_profile(pd.DataFrame({"a": [0.0]}), (1,))


def test_interquartile_mean_and_ratio_to_floor_by_hand():
    assert stats.interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -90])) == 3.5
    logs = stats.log_ratio_to_floor([2.0, 8.0], [1.0, 2.0])
    assert math.exp(logs.mean()) == pytest.approx(math.sqrt(8))
    for wrong in ([0.0, 1.0], [1.0], [math.nan, 1.0]):
        with pytest.raises(ValueError):
            stats.log_ratio_to_floor(wrong, [1.0, 1.0])


def test_gaps_are_refused_unless_a_policy_is_named():
    rows = pd.DataFrame(
        {
            "task": ["p", "q", "p"],
            "scm": ["p", "q", "p"],
            "method": ["a", "a", "b"],
            "value": [1.0, 2.0, 3.0],
        }
    )
    with pytest.raises(ValueError, match="b 1/2.*missing='common' keeps"):
        stats.blocks_by_methods(rows)
    assert stats.blocks_by_methods(rows, "common").index.tolist() == ["p"]
    with pytest.raises(ValueError, match="missing is one of"):
        stats.blocks_by_methods(rows, "zero")
    gap = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, math.nan], "c": [1.0, 1.0]})
    for statistic in (
        rankings.friedman,
        rankings.ranks,
        rankings.win_rates,
        lambda e: rankings.against(e, "a"),
        lambda e: rankings.performance_profile(e, (1,)),
        lambda e: rankings.probability_of_improvement(e["a"], e["b"], [0, 0]),
    ):
        with pytest.raises(ValueError, match="equal sets"):
            statistic(gap)


def test_a_bootstrap_needs_spread_in_every_stratum_and_repeats_itself():
    values, strata = [1.0, 2.0, 4.0], ["a", "a", "b"]
    with pytest.raises(ValueError, match="stratum b has one"):
        stats.bootstrap_interval(values, strata, np.random.default_rng(0))
    with pytest.raises(ValueError, match="NaN"):
        stats.bootstrap_interval([1, math.nan], ["a", "a"], np.random.default_rng(0))
    twice = [
        stats.bootstrap_interval(random_errors()["a"], [0] * 10, np.random.default_rng(1))
        for _ in range(2)
    ]
    assert twice[0] == twice[1]


def test_a_bootstrap_keeps_the_shares_of_strata():
    """Strata without spread leave nothing to chance, however far apart they are."""
    low, high = stats.bootstrap_interval([1.0, 1, 9, 9, 9], list("aabbb"), np.random.default_rng(0))
    assert low == high == pytest.approx(29 / 5)


def coverage(interval, draw, truth, repeats):
    hits = 0
    for _ in range(repeats):
        low, high = interval(draw())
        hits += low <= truth <= high
    return hits / repeats


POOLS = {"quick": (9, 9, 6, 6, 3, 3, 2, 2), "one scenario": (9, 3), "paper": (9, 6) * 8}


@pytest.mark.parametrize("pool", POOLS)
def test_intervals_of_pools_cover_the_mean(pool, record_property):
    """95 % intervals: 93 to 97 % on normal errors; on log-normal ones fewer, by skewness."""
    rng = np.random.default_rng(1)
    strata = np.repeat(range(len(POOLS[pool])), POOLS[pool])

    def interval(values):
        return stats.bootstrap_interval(values, strata, rng, draws=400)

    n = len(strata)
    assert 0.93 <= coverage(interval, lambda: rng.normal(size=n), 0, 700) <= 0.97
    skewed = coverage(interval, lambda: rng.lognormal(size=n), math.exp(0.5), 300)
    record_property("log-normal", skewed)
    assert 0.78 < skewed < 0.95


@pytest.mark.parametrize("n", [3, 9])
def test_intervals_of_cells_cover_the_mean(n):
    rng = np.random.default_rng(0)
    assert 0.93 <= coverage(stats.t_interval, lambda: rng.normal(size=n), 0, 1500) <= 0.97
    skewed = coverage(stats.t_interval, lambda: rng.lognormal(size=n), math.exp(0.5), 1500)
    assert 0.78 < skewed < 0.9
    assert stats.t_interval([1.0]) == (-math.inf, math.inf)


def test_a_t_interval_agrees_with_scipy():
    values = random_errors()["a"]
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert stats.t_interval(values) == pytest.approx(tuple(expected))
