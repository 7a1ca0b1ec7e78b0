"""CSuite: rows against the published formulas, written out again here in the noise z."""

import pickle

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import expon, norm

from bench.scm.equations import Gaussians
from bench.suites.csuite import CASES, CSUITE, CSUITE_GMM

ROOT3 = np.sqrt(3)
ALPHA = np.sqrt(1 - 6 * (1 / np.sqrt(5) - 1 / 3))


def sp(t):
    return np.log1p(np.exp(t))


def layer(p, z):
    return sp(1 + p) + sp(0.5 + z) - 3


def falling(p, z):
    return sp(1.5 - p) + sp(0.5 + z) - 3


def linear(x, z):
    return {0: lambda: z[0], 1: lambda: x[0] / 2 + ROOT3 / 2 * z[1]}


def nonlingauss(x, z):
    return {0: lambda: z[0], 1: lambda: np.sqrt(6) * np.exp(-(x[0] ** 2)) + ALPHA * z[1]}


def nonlin_simpson(x, z):
    return {
        0: lambda: z[0],
        1: lambda: sp(1 - x[0]) + np.sqrt(3 / 20) * z[1],
        2: lambda: np.tanh(2 * x[1]) + 3 / 2 * x[0] - 1 + np.tanh(z[2]),
        3: lambda: 5 * np.tanh((x[2] - 4) / 5) + 3 + z[3] / 10,
    }


def symprod_simpson(x, z):
    return {
        0: lambda: z[0],
        1: lambda: 2 * np.tanh(2 * x[0]) + np.sqrt(1 / 10) * z[1],
        2: lambda: x[0] * x[1] / 2 + z[2] / 2,
        3: lambda: 5 * np.tanh(3 / 2 * x[0]) + 3 + np.sqrt(3 / 10) * z[3],
    }


def large_backdoor(x, z):
    return {
        0: lambda: sp(1.8 * z[0]) - 1,
        1: lambda: 1.5 * layer(x[0], 0) + 0.5 * z[1],
        2: lambda: layer(x[0], z[2]),
        3: lambda: layer(x[1], z[3]),
        4: lambda: layer(x[2], z[4]),
        5: lambda: layer(x[3], z[5]),
        6: lambda: layer(x[4], z[6]),
        7: lambda: 1.5 * sp(x[5] + 1) - 1 + np.sqrt(0.3) * z[7],
        8: lambda: -sp((-1.3 * x[6] + x[7]) / 3 + 1) + 2 + 0.6 * z[8],
    }


def weak_arrows(x, z):
    small = lambda: 0.1 * (x[0] + x[1] + x[2] + x[3] + x[4] + x[5])  # noqa: E731
    return {
        **large_backdoor(x, z),
        1: lambda: 0.75 * layer(x[0], 0) + np.sqrt(0.75) * z[1],
        2: lambda: falling(x[0], z[2]),
        3: lambda: falling(x[1], z[3]),
        8: lambda: sp(small() + 0.5 * x[6] + 0.7 * x[7] + 1) - 2 + 0.5 * z[8],
    }


CHAIN = {(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)}
SETS = {
    "lingauss": (linear, {(0, 1)}),
    "linexp": (linear, {(0, 1)}),
    "nonlingauss": (nonlingauss, {(0, 1)}),
    "nonlin_simpson": (nonlin_simpson, {(0, 1), (0, 2), (1, 2), (2, 3)}),
    "symprod_simpson": (symprod_simpson, {(0, 1), (0, 2), (1, 2), (0, 3)}),
    "large_backdoor": (large_backdoor, CHAIN | {(6, 8), (7, 8)}),
    "weak_arrows": (weak_arrows, CHAIN | {(j, 8) for j in range(8)}),
}


def rows_by_formula(name, z, do=None):
    """Rows [N, D] from noises z [N, D], nodes of `do` clamped."""
    x = {}
    for j, formula in sorted(SETS[name][0](x, z.T).items()):
        x[j] = np.full(len(z), do[j]) if do and j in do else formula()
    return np.column_stack([x[j] for j in range(len(x))])


def task(name, suite=CSUITE, **axes):
    return suite.tasks("smoke", scenario=name, **axes)[0]


def drawn(name, n):
    truth = task(name).problem().truth
    z = truth.draw(n, np.random.default_rng(7))
    return truth, z, truth.generate(truth.additive(z)).to_numpy()


@pytest.mark.parametrize("name", SETS)
def test_noise_makes_the_published_rows(name):
    truth, z, rows = drawn(name, 2000)
    np.testing.assert_allclose(rows, rows_by_formula(name, z), rtol=0, atol=1e-10)
    np.testing.assert_allclose(truth.noise(rows), truth.additive(z), rtol=0, atol=1e-10)
    assert {tuple(edge) for edge in np.argwhere(truth.adjacency)} == SETS[name][1]


@pytest.mark.parametrize("name", CASES)
def test_mixtures_keep_the_equations(name):
    truth = task(name, CSUITE_GMM).problem().truth
    z = truth.draw(500, np.random.default_rng(3))
    rows = truth.generate(truth.additive(z)).to_numpy()
    np.testing.assert_allclose(rows, rows_by_formula(CASES[name][0], z), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SETS)
def test_interventions_answer_by_algebra(name):
    truth, z, _ = drawn(name, 300)
    noise = truth.additive(z)
    for j in range(z.shape[1]):
        expected = rows_by_formula(name, z, {j: 0.7})
        answer = truth.generate(noise, do={f"x{j}": 0.7})
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-10)
        counterfactual = truth.counterfactual(rows_by_formula(name, z), {f"x{j}": 0.7})
        np.testing.assert_allclose(counterfactual, expected, rtol=0, atol=1e-10)


def expectation(density, f, low=-np.inf):
    return quad(lambda t: f(t) * density(t), low, np.inf, epsabs=1e-13, limit=500)[0]


def moments_by_integration(name):
    """Means, variances, covariance and third moment of x1, for x1 = f(x0) + s z1."""
    density, low = (lambda t: expon.pdf(t + 1), -1) if name == "linexp" else (norm.pdf, -np.inf)
    f = (lambda t: np.sqrt(6) * np.exp(-(t**2))) if name == "nonlingauss" else (lambda t: t / 2)
    s = ALPHA if name == "nonlingauss" else ROOT3 / 2
    mean = expectation(density, f, low)
    return {
        "mean": mean,
        "variance": expectation(density, lambda t: (f(t) - mean) ** 2, low) + s**2,
        "covariance": expectation(density, lambda t: t * f(t), low),
        "third": expectation(density, lambda t: (f(t) - mean) ** 3, low)
        + s**3 * expectation(density, lambda t: t**3, low),
    }


@pytest.mark.parametrize("name", ["lingauss", "linexp", "nonlingauss"])
def test_moments_of_the_two_node_sets(name):
    x0, x1 = drawn(name, 100_000)[2].T
    exact = moments_by_integration(name)
    assert exact["variance"] == pytest.approx(1, abs=1e-9)
    centred = x1 - exact["mean"]
    samples = {
        "mean": x1,
        "variance": centred**2,
        "covariance": x0 * centred,
        "third": centred**3,
    }
    for moment, values in samples.items():
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - exact[moment]) < 4 * error, moment
    assert abs(x0.mean()) < 4 / np.sqrt(len(x0))
    assert abs((x0**2).mean() - 1) < 4 * (x0**2).std() / np.sqrt(len(x0))


def mixture_density(components):
    return lambda t: np.mean([norm.pdf(t, m, s) for m, s in components])


@pytest.mark.parametrize("components", [((0.0, 1.0),), ((-5.0, 1.0), (5.0, 2.0))])
@pytest.mark.parametrize("term", [np.tanh, lambda z: sp(0.5 + z), lambda z: sp(1.8 * z)])
def test_constants_are_exact(components, term):
    density = mixture_density(components)
    exact = quad(lambda t: term(t) * density(t), -30, 35, epsabs=1e-13, points=(-5, 0, 5))[0]
    assert Gaussians(components).expectation(term) == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("name", ["nonlin_simpson", "large_backdoor", "weak_arrows"])
def test_additive_noise_is_centred(name):
    truth, z, _ = drawn(name, 100_000)
    noise = truth.additive(z)
    deviation = np.array([equation.deviation for equation in truth.equations])
    assert (np.abs(noise.mean(0)) < 5 * deviation / np.sqrt(len(z))).all()
    np.testing.assert_allclose(noise.std(0), deviation, rtol=0.02)


def test_mixtures_have_two_humps_of_the_standard_deviations_named():
    truth = task("large_backdoor_m5_s1_s2", CSUITE_GMM).problem().truth
    z = truth.draw(100_000, np.random.default_rng(1))
    assert z.shape[1] == 9
    low, high = z[z < -2], z[z > 1]  # two standard deviations and more from either mean
    assert np.mean(z > 0) == pytest.approx(0.5, abs=0.01)
    assert (low.mean(), low.std()) == pytest.approx((-5, 1), abs=0.02)
    assert np.median(high) == pytest.approx(5, abs=0.1)
    assert z.var() == pytest.approx(truth.equations[8].z.variance, rel=0.01)


def test_a_short_context_begins_a_long_one():
    short, long = (task("weak_arrows", n_context=n).problem() for n in (50, 1200))
    assert np.array_equal(long.data.rows[:50], short.data.rows)
    assert np.array_equal(long.query_rows, short.query_rows)
    assert long.clamps == short.clamps


def test_draws_differ_in_rows_but_not_in_the_scm():
    first, second = (t.problem() for t in CSUITE.tasks("quick", scenario="linexp", scms=2))
    assert first.sha() != second.sha()
    np.testing.assert_array_equal(
        first.truth.mechanism(first.query), second.truth.mechanism(first.query)
    )
    assert first.floor is None and len(first.interventions) == 2


def test_sizes_names_and_pickles():
    assert len(CSUITE.tasks("paper")) == 35 and len(CSUITE_GMM.tasks("smoke")) == 12
    assert task("linexp").name == "csuite/published/linexp/i0/n=50/q=50"
    assert task("weak_arrows").size == (9, 50)
    names = {t.name for suite in (CSUITE, CSUITE_GMM) for t in suite.tasks("paper")}
    assert len(names) == 35 + 60 and "csuite-gmm/published/weak_arrows_m2_s1_s2/i4" in names
    truth = pickle.loads(pickle.dumps(task("weak_arrows").problem().truth))
    assert truth.sample(5, seed=1).equals(task("weak_arrows").problem().truth.sample(5, seed=1))


RELEASED = {  # node: its rule in the release, where that differs
    "nonlin_simpson": {1: lambda x, z: sp(1 - x[0]) - 1.5 + 0.15 * z[1]},
    "symprod_simpson": {
        1: lambda x, z: 2 * np.tanh(2 * x[0]) + 0.1 * z[1],
        3: lambda x, z: np.tanh(3 / 2 * x[0]) + 0.3 * z[3],
    },
    "large_backdoor": {
        1: lambda x, z: 1.5 * layer(x[0], 0) + 0.25 * z[1],
        7: lambda x, z: 1.5 * sp(x[5] + 1) - 1 + 0.3 * z[7],
    },
    "weak_arrows": {
        1: lambda x, z: 0.75 * layer(x[0], 0) + 0.75 * z[1],
        7: lambda x, z: 1.5 * sp(x[5] + 1) - 1 + 0.3 * z[7],
    },
}


@pytest.mark.parametrize("name", SETS)
def test_the_release_has_constants_of_its_own(name):
    truth = task(name, variant="release").problem().truth
    z = truth.draw(500, np.random.default_rng(7))
    x = {}
    for j, formula in sorted(SETS[name][0](x, z.T).items()):
        other = RELEASED.get(name, {}).get(j)
        x[j] = other(x, z.T) if other else formula()
    rows = truth.generate(truth.additive(z)).to_numpy()
    np.testing.assert_allclose(rows, np.column_stack(list(x.values())), rtol=0, atol=1e-10)
