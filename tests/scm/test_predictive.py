"""Predictions with mechanisms in doubt, beside what algebra says of a line."""

import networkx as nx
import numpy as np
import pytest

from bench.registry import load_method
from bench.scm.predictive import counterfactual_quantiles, effect_quantiles, quantiles

N, SLOPE, NOISE = 60, 2.0, 0.5
LEVELS = (0.05, 0.5, 0.95)
FAR = 1.6449  # normal quantile


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(N)
    return np.stack([x, SLOPE * x + NOISE * rng.standard_normal(N)], 1)


@pytest.fixture(scope="module", params=["linear", "amortized-gp"])
def scm(rows, request):
    return load_method(request.param).fit(rows, nx.DiGraph([("x0", "x1")]))


def test_an_effect_is_as_uncertain_as_its_slope(scm, rows):
    found = effect_quantiles(scm, LEVELS, {"x0": 2.0}, {"x0": 0.0}, draws=200)
    slope, _ = np.polyfit(*rows.T, 1)
    rest = rows[:, 1] - np.polyval(np.polyfit(*rows.T, 1), rows[:, 0])
    error = np.sqrt(
        np.square(rest).sum() / (N - 2) / np.square(rows[:, 0] - rows[:, 0].mean()).sum()
    )
    assert found.loc[0.5, "x1"] == pytest.approx(2 * slope, abs=2 * error)
    width = (found.loc[0.95] - found.loc[0.05])["x1"]
    assert 0.7 < width / (2 * FAR * 2 * error) < 1.6
    assert (found["x0"] == 2).all()


def test_quantiles_under_do_hold_noise_and_doubt(scm):
    found = quantiles(scm, LEVELS, {"x0": 1.0})
    assert found.loc[0.5, "x1"] == pytest.approx(SLOPE, abs=0.3)
    assert 0.8 < (found.loc[0.95] - found.loc[0.05])["x1"] / (2 * FAR * NOISE) < 1.4


def test_a_counterfactual_is_surer_near_its_row(scm, rows):
    found = counterfactual_quantiles(scm, rows, LEVELS, {"x0": 0.0})
    width = (found[0.95] - found[0.05])["x1"].to_numpy()
    order = np.argsort(np.abs(rows[:, 0]))
    assert width[order[:10]].max() < width[order[-10:]].min()
    assert (found[0.05]["x0"] == 0).all()


def test_an_estimate_without_draws_is_refused_in_one_line(rows):
    boosted = load_method("boosting").fit(rows, nx.DiGraph([("x0", "x1")]))
    with pytest.raises(ValueError, match="no draws"):
        quantiles(boosted, LEVELS)
