"""Metrics by hand that need more than one line of it."""

from dataclasses import replace

import numpy as np
import pytest

from bench.metrics import METRICS
from bench.metrics.comparable import comparable
from bench.metrics.distances import energy, mmd, wasserstein
from bench.registry import load_suite
from bench.scm.columns import Column
from bench.task import as_frame


class Logs:
    """Noise as published code logs it, off by `gap` in context rows and by more in query rows."""

    noise_space = "additive"

    def __init__(self, problem, gap):
        self.problem, self.gap = problem, gap

    def noise_published(self, df):
        n = len(self.problem.data.rows)
        assert np.array_equal(df.to_numpy()[:n], self.problem.data.rows)
        assert np.array_equal(df.to_numpy()[n:], self.problem.query_rows)
        off = np.repeat([self.gap, 100.0], [n, len(df) - n])
        noise = self.problem.truth.noise(df).to_numpy() + off[:, None] * self.problem.scale
        return as_frame(noise, self.problem.data.names)


def test_published_noise_is_that_of_the_context():
    (task,) = load_suite("csuite", "smoke", scenario="weak_arrows", n_context=30)
    problem, metric = task.problem(), METRICS["noise_published"]
    assert metric.value(problem, Logs(problem, 0.25)) == pytest.approx(0.25)
    assert metric.applies(problem, Logs(problem, 0)) and not metric.applies(problem, problem.truth)


def test_errors_are_in_deviations_of_context_and_query_together():
    problem = load_suite("lorch", "smoke", d=5, n_context=20, n_query=60)[0].problem()
    both = np.concatenate([problem.data.rows, problem.query_rows])
    centred = both - both.sum(0) / 80
    np.testing.assert_allclose(problem.scale, np.sqrt((centred**2).sum(0) / 79))
    assert METRICS["sample"].value(problem, Off(problem.truth, problem.scale)) == pytest.approx(1)


class Off:
    """The truth, but each generated value is off by one unit, or its abduction by so much."""

    noise_space = "additive"

    def __init__(self, truth, rows=0.0, noise=0.0):
        self.truth, self.rows, self.off = truth, rows, noise

    def noise(self, df):
        return self.truth.noise(df) + self.off

    def generate(self, u, do=None):
        return self.truth.generate(u, do) + self.rows

    def counterfactual(self, df, do):
        return self.generate(self.noise(df), do)


def test_interventions_start_from_the_true_noise_and_counterfactuals_from_the_abducted():
    problem = load_suite("lorch", "smoke", d=5)[0].problem()
    wrong = Off(problem.truth, noise=problem.scale)
    assert METRICS["intervention"].value(problem, wrong) < 1e-9
    assert METRICS["counterfactual"].value(problem, wrong) > 0.1


class Draws:
    """Answers with rows that say which seed they were drawn with."""

    def __init__(self, rows):
        self.rows, self.seeds = rows, []

    def sample(self, n, do, seed, noise):
        self.seeds.append(seed)
        return self.rows[:n]


def test_rows_that_metrics_draw_are_seeded_by_names_not_by_bytes():
    """Two makes of processor give rows that differ in a last digit, and the same draws."""
    first, second = (t.problem() for t in load_suite("sachs", "smoke", transform="raw,log"))
    nudged = replace(first, query_rows=np.nextafter(first.query_rows, np.inf))
    drawn = ("mmd_query", "mmd_query_unbiased", "energy_query", "wasserstein_query")
    seeds = []
    for problem in (first, nudged, second):
        draws = Draws(problem.query)
        for name in drawn:
            METRICS[name].value(problem, draws)
        assert len(draws.seeds) == len(drawn) and len(set(draws.seeds)) == 1
        seeds += draws.seeds[:1]
    assert seeds[0] == seeds[1] != seeds[2]
    assert {METRICS[name].version for name in (*drawn, "mmd_intervention")} == {2}


KINDS = (Column(), Column("category", "category", ("a", "b", "c")))


def test_the_order_of_levels_changes_no_distance():
    rng = np.random.default_rng(0)
    x, y = (
        np.column_stack([rng.normal(size=60), rng.integers(0, 3, 60), rng.integers(0, 3, 60)])
        for _ in "xy"
    )
    columns = (KINDS[0], KINDS[1], KINDS[1])
    found = []
    for order in ([0, 1, 2], [2, 0, 1]):
        first, second = (
            np.column_stack([r[:, :2], np.take(order, r[:, 2].astype(int))]) for r in (x, y)
        )
        pair = comparable(first, second, columns)
        found.append(
            [mmd(pair.x, pair.y), energy(pair.x, pair.y)]
            + [wasserstein(pair.x * pair.weight, pair.y * pair.weight)]
        )
    assert found[0] == pytest.approx(found[1])


def test_two_levels_are_as_far_apart_as_yes_and_no():
    rng = np.random.default_rng(0)
    x, y = (np.column_stack([rng.normal(size=50), rng.random(50) < p]) for p in (0.3, 0.6))
    named, plain = (comparable(x, y, columns) for columns in ((KINDS[0], KINDS[1]), ()))
    assert mmd(named.x, named.y) == pytest.approx(mmd(plain.x, plain.y))
    assert energy(named.x, named.y) == pytest.approx(energy(plain.x, plain.y))
    told = wasserstein(named.x * named.weight, named.y * named.weight)
    assert told == pytest.approx(wasserstein(plain.x, plain.y))
    assert (plain.weight == 1).all()


def test_rows_at_random_are_as_far_apart_in_a_category_as_in_a_number():
    rows = np.repeat([0.0, 1, 2], [20, 50, 30])[:, None]
    pair = comparable(rows, rows, KINDS[1:])
    gap = np.square(pair.x[:, None] - pair.x[None]).sum(2)
    assert gap.mean() == pytest.approx(2, rel=0.01)
