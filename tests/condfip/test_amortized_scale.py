"""Noise whose size depends on the parents: what the estimate says of it, and what follows."""

import networkx as nx
import numpy as np
import pytest

from condfip.amortized.method import AmortizedGP
from condfip.amortized.scale import Scale, log_linear

EDGES = nx.DiGraph([("x0", "x2"), ("x1", "x2")])


def chances(draw, count, n=120):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        x = rng.standard_normal((n, 2))
        found.append(Scale.of(x, x.sum(1), draw(rng, x)).chance)
    return np.array(found)


@pytest.mark.parametrize("shape", ["standard_normal", "standard_exponential", "standard_cauchy"])
def test_the_test_keeps_its_level_whatever_the_shape_of_the_noise(shape):
    found = chances(lambda rng, x: getattr(rng, shape)(len(x)), 400)
    assert 0.01 < (found < 0.05).mean() < 0.09


def test_the_test_has_power_also_against_sizes_that_are_even_in_a_parent():
    for size in (lambda x: np.exp(0.5 * x), lambda x: 0.4 + np.square(x)):
        found = chances(lambda rng, x: size(x[:, 0]) * rng.standard_normal(len(x)), 60, 400)  # noqa: B023
        assert (found < 1e-3).mean() > 0.9


def test_sizes_are_found_and_have_mean_square_1():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 1))
    truth = np.exp(0.5 * x[:, 0])
    scale = Scale.of(x, np.zeros(4000), truth * rng.standard_normal(4000))
    sizes = scale(x, np.zeros(4000))
    assert np.square(sizes).mean() == pytest.approx(1)
    inside = np.abs(x[:, 0]) < 2
    assert np.std(np.log(sizes / truth)[inside]) < 0.06
    assert scale(np.array([[50.0]]), np.zeros(1)) == scale(np.array([[2.5]]), np.zeros(1))


def test_log_linear_weights_are_those_of_sizes_without_noise():
    x = np.random.default_rng(0).standard_normal((50_000, 2))
    assert np.allclose(log_linear(x, np.exp(1 + x @ [0.3, -0.2])), [0.3, -0.2], atol=1e-3)


def rows_of(varying, n=600, seed=0):
    rng = np.random.default_rng(seed)
    a, b, u = rng.standard_normal((3, n))
    size = 0.3 * np.exp(0.6 * a) if varying else np.full(n, 0.3)
    return np.stack([a, b, a + np.sin(b) + size * u], 1), u, size


def test_even_noise_leaves_every_answer_additive():
    rows, *_ = rows_of(False)
    fitted = AmortizedGP().fit(rows, EDGES)
    assert fitted.noise_dependence["x2"] > 1e-3 and fitted.noise_dependence["x0"] == 1
    do = {"x0": 1.0}
    assert fitted.counterfactual(rows, do).equals(fitted.additive.counterfactual(rows, do))
    assert not fitted.sizes.varying and (fitted.own_sizes == 1).all()


def test_varying_noise_is_told_and_followed():
    rows, u, size = rows_of(True)
    fitted = AmortizedGP().fit(rows, EDGES)
    assert fitted.noise_dependence["x2"] < 1e-6
    fresh, v, size = rows_of(True, seed=1)
    low, high = fitted.predict_interval(fresh, 0.9)
    width = (high["x2"] - low["x2"]).to_numpy()
    assert np.corrcoef(np.log(width), np.log(size))[0, 1] > 0.9
    large = size > np.quantile(size, 0.8)
    inside = (low["x2"] <= fresh[:, 2]) & (fresh[:, 2] <= high["x2"])
    assert inside[large].mean() > 0.8 and inside[~large].mean() < 0.97
    spreads = [fitted.sample(2000, do={"x0": x, "x1": 0.0}, seed=2)["x2"].std() for x in (-1, 1)]
    assert spreads[1] / spreads[0] == pytest.approx(np.exp(1.2), rel=0.25)
    truth = 1.5 + np.sin(fresh[:, 1]) + 0.3 * np.exp(0.9) * v
    errors = [
        np.sqrt(np.square(e.counterfactual(fresh, {"x0": 1.5})["x2"] - truth).mean())
        for e in (fitted, fitted.additive)
    ]
    assert errors[0] < 0.6 * errors[1]
    drawn = next(fitted.draws(1, 0)).counterfactual(fresh, {"x0": 1.5})["x2"]
    assert np.sqrt(np.square(drawn - truth).mean()) < errors[1]
    noise = fitted.noise(fresh)
    assert np.allclose(fitted.generate(noise), fresh)


def test_noise_before_a_bend_is_told_too():
    rng = np.random.default_rng(0)
    a, u = rng.standard_normal((2, 400))
    rows = np.stack([a, a, np.exp(0.8 * (a + 0.4 * u))], 1)
    rows[:, 1] = rng.standard_normal(400)
    assert AmortizedGP().fit(rows, EDGES).noise_dependence["x2"] < 1e-3
