"""Gaussian processes of any number of rows, against their definition and against each other."""

import pytest
import torch

from bench.scm import many_rows
from bench.scm.kernel import Kernel, covariance, factor, kernel
from bench.scm.many_rows import commit, induce, inducing_rows, solve_any, some_rows
from bench.scm.process import solve

P = 2


def draw(n, seed=0, noise=0.05, length=1.5):
    """A kernel, rows whose F is a draw from it in all but name, F, and noise variances."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, P, generator=g, dtype=torch.float64)
    f = torch.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.3 * x[:, 0] * x[:, 1]
    y = f + noise**0.5 * torch.randn(n, generator=g, dtype=torch.float64)
    one = torch.zeros(1, P, dtype=torch.float64)
    hyper = Kernel(one[:, :1] - torch.tensor([[0.0]]), one + length, one, own=one - 1)
    return hyper, x, y, f, torch.full((n,), noise, dtype=torch.float64)


def test_a_process_answers_its_definition():
    hyper, x, y, _, noise = draw(60)
    here = x[:7] + 0.3
    total = kernel(hyper, x[None], x[None]).total[0] + torch.diag(noise)
    cross = kernel(hyper, here[None], x[None]).total[0]
    process = solve(hyper, x, y, noise)
    torch.testing.assert_close(process.mean(here), cross @ total.inverse() @ y, atol=1e-6, rtol=0)
    own = kernel(hyper, here[None], here[None]).total[0].diagonal()
    variance = own - (cross @ total.inverse() * cross).sum(1)
    torch.testing.assert_close(process.variance(here), variance, atol=1e-6, rtol=0)


def test_the_covariance_without_copies_is_the_covariance():
    hyper, x, _, _, noise = draw(40)
    root = factor(kernel(hyper, x[None], x[None]).total, noise[None])[0]
    torch.testing.assert_close(covariance(hyper, x, noise), root @ root.T, atol=1e-8, rtol=0)


def test_inducing_rows_that_span_everything_change_nothing():
    hyper, x, y, _, noise = draw(500)
    noise = noise * torch.linspace(0.5, 2, 500, dtype=torch.float64)
    rows = x[inducing_rows(hyper, x, 1e-7)[0]]
    exact, induced = solve(hyper, x, y, noise), induce(hyper, rows, x, y, noise)
    here = 1.5 * x[:50]
    assert len(rows) < 300
    torch.testing.assert_close(induced.mean(here), exact.mean(here), atol=2e-3, rtol=0)
    torch.testing.assert_close(induced.variance(here), exact.variance(here), atol=2e-4, rtol=0)


def test_one_expert_is_exact_and_more_share_the_rows(monkeypatch):
    hyper, x, y, f, noise = draw(300, length=0.0)
    alone, exact = commit(hyper, x, y, noise), solve(hyper, x, y, noise)
    torch.testing.assert_close(alone.mean(x), exact.mean(x), atol=1e-6, rtol=0)
    errors = {}
    for size, most in ((100, 1), (100, 3)):
        monkeypatch.setattr(many_rows, "EXPERT_ROWS", size)
        monkeypatch.setattr(many_rows, "EXPERTS", most)
        committee = commit(hyper, x, y, noise)
        assert len(committee.rows) == size * most
        errors[most] = float((committee.mean(x) - f).square().mean())
    assert errors[3] < errors[1]
    assert errors[3] < 1.25 * float((exact.mean(x) - f).square().mean())


@pytest.mark.parametrize("length", [1.5, -1.0])
def test_error_falls_with_rows_through_every_way_of_solving(monkeypatch, length):
    monkeypatch.setattr(many_rows, "EXACT_ROWS", 100)
    monkeypatch.setattr(many_rows, "EXPERT_ROWS", 150)
    monkeypatch.setattr(many_rows, "EXPERTS", 8)
    monkeypatch.setattr(many_rows, "MOST", 40)
    hyper, x, y, f, noise = draw(1200, length=length)
    kinds, errors = [], []
    for n in (100, 200, 400, 800):
        process = solve_any(hyper, x[:n], y[:n], noise[:n])
        kinds.append(type(process).__name__)
        errors.append(float((process.mean(x[800:]) - f[800:]).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert kinds[0] == "Exact" and kinds[-1] == ("Induced" if length > 0 else "Committee")


def test_some_rows_are_spread_over_a_sorted_table():
    chosen = some_rows(10_000, 500)
    assert len(set(chosen.tolist())) == 500
    assert 4000 < float(chosen.double().mean()) < 6000
