"""Metrics by hand that need more than one line of it."""

import numpy as np
import pytest

from bench.metrics import METRICS
from bench.registry import load_suite
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
