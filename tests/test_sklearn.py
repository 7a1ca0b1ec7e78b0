"""Methods as scikit-learn regressors: its own checks, and what the checks cannot know."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, check_methods_sample_order_invariance

from bench.registry import load_method
from bench.sklearn import Regressor

EXPECTED_TO_FAIL = {}  # check: reason


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, (n, 2))
    return x, np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.3 * rng.normal(size=n)


SLOW = [pytest.param(m, marks=pytest.mark.slow) for m in ("gp", "gp-fast", "amortized-gp")]


@pytest.mark.parametrize("method", ["linear", *SLOW])
def test_scikit_learn_finds_nothing_to_complain_of(method):
    results = check_estimator(
        Regressor(method), expected_failed_checks=EXPECTED_TO_FAIL, on_fail=None, on_skip=None
    )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    assert len([r for r in results if r["status"] == "passed"]) > 40


class Reversed(Regressor):
    """Answers in the order of its rows: what the checks have to notice."""

    def predict(self, X, return_std=False):
        return np.sort(super().predict(X))


def test_the_checks_can_fail():
    with pytest.raises(AssertionError):
        check_methods_sample_order_invariance("Reversed", Reversed("linear"))


@pytest.mark.parametrize("method", ["linear", "gp-fast", "amortized-gp"])
def test_predictions_are_the_mechanism_of_the_node(method):
    x, y = rows(60)
    table = pd.DataFrame(x, columns=["a", "b"]).assign(c=y)
    scm = load_method(method).fit(table, nx.DiGraph([("a", "c"), ("b", "c")]))
    found = Regressor(method).fit(x, y).predict(x)
    np.testing.assert_allclose(found, scm.mechanism(table)["c"], rtol=1e-6)


def test_a_deviation_is_that_of_the_process_and_the_noise():
    x, y = rows(40)
    query = rows(7, seed=1)[0]
    model = Regressor("gp-fast").fit(x, y)
    (posterior,) = model.scm_.mechanisms.predict.nodes.values()
    amplitude, linear, noise, *lengths = np.exp(posterior.theta.numpy())

    def kernel(a, b):
        gaps = ((a[:, None] - b[None]) / lengths) ** 2
        return 1 + linear * a @ b.T + amplitude * np.exp(-gaps.sum(2) / 2)

    z, q = ((t - x.mean(0)) / x.std(0, ddof=1) for t in (x, query))
    inner = np.linalg.solve(kernel(z, z) + noise * np.eye(len(z)), kernel(z, q))
    variance = np.diag(kernel(q, q) - kernel(z, q).T @ inner) + noise
    _, deviation = model.predict(query, return_std=True)
    np.testing.assert_allclose(deviation, np.sqrt(variance) * y.std(ddof=1), rtol=1e-5)


@pytest.mark.parametrize("method", ["gp-fast", SLOW[-1]])
def test_intervals_hold_as_many_rows_as_they_say(method):
    x, y = rows(1000, seed=1)
    held, scores = {0.5: [], 0.9: []}, []
    for seed in range(2, 7):
        model = Regressor(method).fit(*rows(150, seed))
        for level, shares in held.items():
            low, high = model.predict_interval(x, level)
            shares.append(((low < y) & (y < high)).mean())
        mean, deviation = model.predict(x, return_std=True)
        scores.append(np.mean(((y - mean) / deviation) ** 2) ** 0.5)
    assert all(abs(np.mean(shares) - level) < 0.04 for level, shares in held.items())
    assert 0.9 < np.mean(scores) < 1.1


def test_without_intervals_of_its_own_a_method_has_those_of_a_normal():
    model = Regressor("gp-fast").fit(*rows(50))
    mean, deviation = model.predict(rows(5)[0], return_std=True)
    low, high = model.predict_interval(rows(5)[0], 0.95)
    np.testing.assert_allclose([low, high], mean + 1.959964 * deviation * [[-1], [1]], rtol=1e-6)
    with pytest.raises(ValueError, match="between 0 and 1, not 90"):
        model.predict_interval(rows(5)[0], 90)


def test_methods_are_a_parameter_of_a_grid():
    x, y = rows(60)
    grid = {"regressor__method": ["linear", "amortized-gp"]}
    pipe = make_pipeline(StandardScaler(), Regressor())
    found = GridSearchCV(pipe, grid, cv=3).fit(x, y)
    assert found.best_params_ == {"regressor__method": "amortized-gp"}


def test_methods_are_stacked():
    x, y = rows(60)
    members = [("line", LinearRegression()), ("gp", Regressor("gp-fast"))]
    assert StackingRegressor(members, cv=3).fit(x, y).score(*rows(200, seed=1)) > 0.8


def test_a_loaded_method_brings_its_settings():
    method = load_method("gp-fast", continuation="line")
    model = clone(Regressor(method)).fit(*rows(30))
    assert model.method.settings == (("continuation", "line"),)
    assert model.method.inner is not method.inner


def test_what_cannot_be_is_said_in_a_line():
    x, y = rows(30)
    with pytest.raises(ValueError, match="name a method"):
        Regressor().fit(x, y)
    with pytest.raises(ValueError, match="unknown method none; there are"):
        Regressor("none").fit(x, y)
    with pytest.raises(ValueError, match="gp cannot fit these rows: fewer than 5"):
        Regressor("gp").fit(x[:3], y[:3])
    with pytest.raises(ValueError, match="boosting does not say how sure it is"):
        Regressor("boosting").fit(x, y).predict(x, return_std=True)
    with pytest.raises(ValueError, match="no additive noise"):
        Regressor("tests.test_sklearn:Flow").fit(x, y)
    with pytest.raises(ValueError, match="random_state is an int, not None"):
        Regressor("linear", random_state=None).fit(x, y)


class Flow:
    noise_space = "base"
