"""The floor against quadrature, an independent Gaussian process, and long Markov chains."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.linalg import cho_factor, cho_solve

from bench.metrics import METRICS
from bench.registry import load_method, load_suite
from bench.scm.floor import Floor, bounds
from bench.scm.prior import Family, on_graphs
from bench.scm.propagation import bounded_moments, laplace_moments

MARGIN, ERRORS = 0.01, 3  # what a method may lie below the floor


def one(value):
    return torch.tensor([value], dtype=torch.float64)


def moments(log, breaks):
    """Mean and variance of the density exp(log) by quadrature between `breaks`."""
    grid = np.linspace(breaks[0], breaks[-1], 20_001)
    peak = max(map(log, grid))
    pieces = list(zip(breaks[:-1], breaks[1:], strict=True))
    mass = [
        sum(quad(lambda s, k=k: s**k * np.exp(log(s) - peak), *p, limit=400)[0] for p in pieces)
        for k in range(3)
    ]
    return mass[1] / mass[0], mass[2] / mass[0] - (mass[1] / mass[0]) ** 2


@pytest.mark.parametrize("centre,width", [(0.3, 1.0), (3.0, 0.01), (-9.0, 2.0), (1.1, 900.0)])
def test_tilted_moments_are_those_of_quadrature(centre, width):
    s = width**0.5
    breaks = sorted({1.0, centre, min(centre, 1) - 6 * s, max(centre, 1) + 6 * s})
    exact = moments(lambda t: -((t - centre) ** 2) / (2 * width) - abs(t - 1) / 0.7, breaks)
    ours = laplace_moments(one(centre), one(width), one(1.0), 0.7)
    np.testing.assert_allclose([float(v) for v in ours], exact, rtol=1e-5)

    def bounded(t):
        return -((t - centre) ** 2) / (2 * width) if 1 <= abs(t) <= 3 else -np.inf

    ours = bounded_moments(one(centre), one(width), one(1.0), one(3.0))
    exact = moments(bounded, [-3, -1, 1, 3])
    np.testing.assert_allclose([float(v) for v in ours], exact, rtol=1e-4)


def chain_of_two(scenario, n, noise="", seed=0):
    """x0 -> x1 drawn from the prior, n context rows and their floor."""
    generator = torch.Generator().manual_seed(seed)
    adjacency = torch.zeros(1, 2, 2, dtype=torch.bool)
    adjacency[0, 0, 1] = True
    family = Family(scenario, noise=noise)
    scm = on_graphs(family, adjacency, generator).to(torch.float64)
    context = scm.sample(n, generator)[0].numpy()
    return scm, context, Floor(scm, family.draw, context)


def log_noise(scm, node, residual):
    variance = float(scm.noise_model.variance[0, node])
    if scm.noise_model.kind.variance == 2:
        return -np.abs(residual) / (variance / 2) ** 0.5
    return -(residual**2) / (2 * variance)


@pytest.mark.parametrize("n", [12, 200])
@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
@pytest.mark.parametrize("scenario,bound", [("LIN_IN", (1, 3)), ("LIN_OUT", (0.5, 4))])
def test_one_weight_and_a_bias_by_a_grid(scenario, bound, noise, n):
    scm, context, floor = chain_of_two(scenario, n, noise, seed=n)
    x, y = context.T
    w, c = np.linspace(*bound, 301), np.linspace(-3, 3, 301)
    w = np.r_[-w[::-1], w]
    if n == 200:  # the grid must resolve the posterior
        near = np.polyfit(x, y, 1)
        w = near[0] + np.linspace(-0.5, 0.5, 401)
        w, c = w[(abs(w) >= bound[0]) & (abs(w) <= bound[1])], near[1] + np.linspace(-1.5, 1.5, 401)
        c = c[abs(c) <= 3]
    logs = sum(log_noise(scm, 1, b - a * w[:, None] - c) for a, b in zip(x, y, strict=True))
    mass = np.exp(logs - logs.max())
    mass /= mass.sum()
    exact = np.array([(mass * w[:, None]).sum(), (mass * c).sum()])
    spread = np.array([(mass * w[:, None] ** 2).sum(), (mass * c**2).sum()]) - exact**2
    rows = np.zeros((2, 2))
    rows[1, 0] = 1.0  # F at parent 0 and 1: the bias, and bias + weight
    bias, both = floor(rows, [1])[:, 0]
    assert not floor.unsettled
    assert (np.abs([both - bias, bias] - exact) < 0.06 * spread**0.5).all()


@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
def test_open_signs_are_settled_by_draws(noise):
    """A weak parent and much noise leave both signs, of which propagation knows no mean."""
    rng, found, n = np.random.default_rng(4), 0, 200_000
    w, c = rng.uniform(1, 3, n) * rng.choice([-1, 1], n), rng.uniform(-3, 3, n)
    for seed in range(100):
        scm, context, floor = chain_of_two("LIN_IN", 4, noise, seed=seed)
        log = sum(log_noise(scm, 1, y - x * w - c) for x, y in context)
        mass = np.exp(log - log.max())
        mass /= mass.sum()
        if 0.02 < mass[w > 0].sum() < 0.98:
            found += 1
            mean = (mass * w).sum()
            spread = ((mass * w**2).sum() - mean**2) ** 0.5
            assert not floor.unsettled
            assert abs(float(floor.nodes[1].weights[0]) - mean) < 0.1 * spread
        if found == 3:
            return
    raise AssertionError("no such node was drawn")


def test_the_gaussian_process_is_that_of_another_library():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    (task,) = load_suite("lorch", "smoke", scenario="RFF_IN", graph_kind="sf_in", n_context=80)
    problem = task.problem()
    scm, parents, query = problem.truth.scm, problem.data.parents(), problem.query_rows
    means = (problem.query - problem.floor.noise(problem.query)).to_numpy()
    for j, pa in enumerate(parents):
        scale, length = (float(v[j]) for v in (scm.mechanism.scale, scm.mechanism.length))
        x, new = (
            r[:, pa] if len(pa) else np.zeros((len(r), 1)) for r in (problem.data.rows, query)
        )
        kernel = ConstantKernel(scale**2) * RBF(length) + ConstantKernel(3.0)
        noise = float(scm.noise_model.variance[0, j])
        gp = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
        expected = gp.fit(x, problem.data.rows[:, j]).predict(new)
        np.testing.assert_allclose(means[:, j], expected, rtol=0, atol=1e-6 * scale)


def mean_by_hand(x, y, new, length, scale, bias, noise):
    """The predictive mean of Rasmussen and Williams 2006, equation 2.25, entry by entry."""

    def kernel(a, b):
        squares = np.square(a[:, None] - b[None]).sum(2)
        return scale**2 * np.exp(-squares / (2 * length**2)) + bias

    return kernel(new, x) @ np.linalg.solve(kernel(x, x) + noise * np.eye(len(x)), y)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_the_floor_of_random_features_is_a_gaussian_process_written_out(alpha):
    """Few rows, so that the prior counts: length, scale, bias and noise each show."""
    cell = {"scenario": "RFF_OUT", "graph_kind": "ws", "n_context": 12, "noise": "gaussian"}
    (task,) = load_suite("lorch-shift", "smoke", **cell, shift="mechanism", alpha=alpha)
    problem = task.problem()
    scm, query = problem.truth.scm, problem.query_rows
    means = problem.floor.mechanism(problem.query).to_numpy()
    for j, pa in enumerate(problem.data.parents()):
        known = (float(values[j]) for values in (scm.mechanism.length, scm.mechanism.scale))
        noise = float(scm.noise_model.scale[0, j]) ** 2
        x, y = problem.data.rows[:, pa], problem.data.rows[:, j]
        bias = alpha**2 * 3.0  # of a uniform draw in -3 .. 3
        expected = mean_by_hand(x, y, query[:, pa], *known, bias, noise)
        np.testing.assert_allclose(means[:, j], expected, rtol=0, atol=1e-7 * problem.scale[j])


def test_many_rows_of_a_flat_function_lose_no_digits():
    """Kernel entries of 400 over noise of 0.1: the dual weights cancel to one in 10^8."""
    scm, context, floor = chain_of_two("RFF_OUT", 1000, seed=5)
    truth = scm.mechanisms(torch.from_numpy(context)[None])[0].numpy()
    gap = floor(context, [0, 1]) - truth
    limit = 8 * floor.noise_variance**0.5 / 1000**0.5
    assert (np.abs(gap.mean(0)) < limit).all()


def test_only_what_cannot_be_beaten_is_a_bound():
    def found(scenario, **settings):
        family = Family(scenario, **settings)
        graph = torch.zeros(1, 2, 2, dtype=torch.bool)
        return bounds(on_graphs(family, graph, torch.Generator().manual_seed(0)), family.draw)

    assert found("RFF_IN") == found("RFF_OUT") == found("LIN_OUT") == ("noise",)
    assert found("LIN_IN", variant="causica") == ("noise",)
    assert found("RFF_IN", variant="causica") == ()  # nodes share features
    assert found("RFF_IN", noise="uniform") == ()  # only its variance is used


def linear_chain(x, y, scale, bound, rng, steps=3000, chains=60):
    """Random-walk Metropolis of weights and bias under Laplace noise: the mean, [P + 1]."""
    design = np.column_stack([x, np.ones(len(x))])
    q, r = np.linalg.qr(design)
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    whiten = np.linalg.inv(r) * scale
    low = np.r_[np.full(x.shape[1], bound[0]), 0.0]
    high = np.r_[np.full(x.shape[1], bound[1]), 3.0]

    def log(w):
        inside = ((np.abs(w) >= low) & (np.abs(w) <= high)).all(1)
        return np.where(inside, -np.abs(y - w @ design.T).sum(1) / scale, -np.inf)

    w = np.clip(np.abs(best), low + 1e-9, high - 1e-9) * np.where(best < 0, -1, 1)
    w = np.tile(w, (chains, 1))
    current, total = log(w), 0.0
    for step in range(steps):
        size = 2.4 / np.sqrt(w.shape[1]) * rng.choice([0.3, 1.0, 3.0])
        proposal = w + size * rng.standard_normal(w.shape) @ whiten.T
        value = log(proposal)
        accept = np.log(rng.random(chains)) < value - current
        w[accept], current[accept] = proposal[accept], value[accept]
        total = total + (w.mean(0) if step >= steps // 3 else 0)
    return total / (steps - steps // 3)


def process_chain(kernel, cross, y, scale, rng, steps):
    """Gibbs over the variances of which Laplace noise is a mixture: the mean of F at new rows.

    Given these, F is drawn as a draw of the prior, moved by what its own noisy rows lack of y.
    """
    f, total, warm, n = y.copy(), 0.0, steps // 5, len(y)
    prior = np.linalg.cholesky(kernel + 1e-9 * kernel[0, 0] * np.eye(n))
    for step in range(-warm, steps):
        variance = 1 / rng.wald(1 / (scale * np.abs(y - f).clip(1e-9)), 1 / scale**2)
        root = cho_factor(kernel + np.diag(variance), lower=True)
        drawn = prior @ rng.standard_normal(n)
        gap = y - drawn - np.sqrt(variance) * rng.standard_normal(n)
        dual, moved = cho_solve(root, np.column_stack([y, gap])).T
        f = drawn + kernel @ moved
        total = total + (cross @ dual if step >= 0 else 0)
    return total / steps


def laplace_problem(scenario, d, n):
    task = load_suite("lorch", "smoke", scenario=scenario, d=d, n_context=n, graph_kind="sbm")[0]
    problem = task.problem()
    if problem.floor is None:
        pytest.skip("propagation did not settle: such a problem has no floor")
    scm = problem.truth.scm
    scale = (scm.noise_model.variance[0] / 2).sqrt().numpy()
    return problem, scm, scale, (problem.query - problem.floor.noise(problem.query)).to_numpy()


def check_against(chains, problem, ours):
    """What separates the floor from the chains' means adds at most 1 % to its squared error."""
    true = problem.truth.mechanism(problem.query).to_numpy()
    off, error = (
        np.mean([np.mean((ours[:, j] - v[:, j]) ** 2) / problem.scale[j] ** 2 for j, v in pairs])
        for pairs in (chains.items(), [(j, true) for j in chains])
    )
    assert off < 0.01 * error, f"{off / error:.1%}"


@pytest.mark.slow
@pytest.mark.parametrize("d,n", [(10, 50), (20, 400)])
def test_linear_floors_are_the_means_of_long_chains(d, n):
    problem, _, scale, ours = laplace_problem("LIN_OUT", d, n)
    rng, chains = np.random.default_rng(0), {}
    for j, pa in enumerate(problem.data.parents()):
        rows, query = (r[:, pa] for r in (problem.data.rows, problem.query_rows))
        w = linear_chain(rows, problem.data.rows[:, j], scale[j], (0.5, 4), rng)
        chains[j] = np.tile((query @ w[:-1] + w[-1])[:, None], len(scale))
    check_against(chains, problem, ours)


@pytest.mark.slow
@pytest.mark.parametrize("d,n,every", [(10, 50, 1), (20, 50, 1), (5, 200, 1), (20, 400, 2)])
def test_process_floors_are_the_means_of_long_chains(d, n, every):
    """Of every node, or of every second one where a step of the chain takes long."""
    problem, scm, scale, ours = laplace_problem("RFF_OUT", d, n)
    rng, chains = np.random.default_rng(0), {}
    for j, pa in list(enumerate(problem.data.parents()))[::every]:
        x, new = (
            r[:, pa] / float(scm.mechanism.length[j])
            for r in (problem.data.rows, problem.query_rows)
        )
        kernel, cross = (
            float(scm.mechanism.scale[j]) ** 2 * np.exp(-((a[:, None] - x[None]) ** 2).sum(2) / 2)
            + 3.0
            for a in (x, new)
        )
        mean = process_chain(kernel, cross, problem.data.rows[:, j], scale[j], rng, 1500 // every)
        chains[j] = np.tile(mean[:, None], len(scale))
    check_against(chains, problem, ours)


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 400])
@pytest.mark.parametrize("scenario", ["LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT"])
def test_no_method_is_below_the_floor(scenario, n):
    """Over 30 fresh SCMs, by more than three standard errors and one per cent."""
    tasks = load_suite("lorch", "smoke", seed=1, scenario=scenario, scms=15, n_context=n)
    errors = {name: [] for name in ("floor", "linear", "lad", "additive", "gp", "amortized-gp")}
    for task in tasks:
        problem = task.problem()
        for name, values in errors.items():
            fitted = load_method(name).fit_problem(problem, 0)
            values.append(METRICS["noise"].value(problem, fitted))
    floor = np.array(errors.pop("floor"))
    assert len(floor) >= 30
    for name, values in errors.items():
        below = floor - values
        error = below.std(ddof=1) / len(below) ** 0.5
        assert below.mean() < ERRORS * error + MARGIN * floor.mean(), name
