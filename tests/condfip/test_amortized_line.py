"""The line outright: least squares, least absolute deviations and what lies between."""

import pytest
import torch

from condfip.amortized.line import fit_line
from condfip.amortized.shape import KINDS, evidence

TRUTH = torch.tensor([0.3, 1.0, -2.0], dtype=torch.float64)
G, N = 20, 200


def draw(kind, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(G, N, 2, generator=g, dtype=torch.float64)
    z = torch.randn(G, N, generator=g, dtype=torch.float64)
    exponential = -torch.rand(2, G, N, generator=g, dtype=torch.float64).log()
    u = {
        "normal": z,
        "laplace": exponential[0] - exponential[1],
        "skewed": exponential[0] - 1,
        "mixture": 0.4 * z + 2 * (exponential[0] > 0.6931).to(z) - 1,
    }[kind]
    return x, TRUTH[0] + x @ TRUTH[1:] + u, u


def squares(x, y):
    design = torch.cat([torch.ones_like(x[:, :, :1]), x], 2)
    return torch.linalg.lstsq(design, y[:, :, None]).solution[:, :, 0]


def test_with_normal_noise_it_is_least_squares():
    x, y, _ = draw("normal")
    weights = fit_line(x, y, torch.zeros(G)).weights
    same = torch.isclose(weights, squares(x, y), atol=1e-9).all(1)
    assert same.double().mean() > 0.8  # by chance some draws look heavy-tailed


def test_left_out_residuals_are_those_of_a_fit_without_the_row():
    x, y, _ = draw("normal")
    line = fit_line(x[:1], y[:1], torch.zeros(1))
    without = squares(x[:1, 1:], y[:1, 1:])[0]
    told = without[0] + x[0, 0] @ without[1:]
    torch.testing.assert_close(line.gap[0, 0], y[0, 0] - told)


def test_with_laplace_noise_it_beats_least_squares():
    x, y, _ = draw("laplace")
    error = (fit_line(x, y, torch.zeros(G)).weights - TRUTH).square().mean()
    assert error < 0.75 * (squares(x, y) - TRUTH).square().mean()


def test_a_level_alone_is_a_line_without_parents():
    x, y, u = draw("laplace")
    level = fit_line(x[:, :, :0], u, torch.zeros(G)).weights
    assert level.shape == (G, 1)
    assert level.square().mean() < 0.8 * u.mean(1).square().mean()


def test_skewed_noise_keeps_its_mean():
    x, _, u = draw("skewed")
    level = fit_line(x[:, :, :0], u, torch.zeros(G)).weights[:, 0]
    assert level.square().mean() < 2 * u.mean(1).square().mean()


@pytest.mark.parametrize("kind", ["normal", "laplace", "mixture"])
def test_residuals_tell_their_kind(kind):
    u = draw(kind)[2]
    told = evidence(u, torch.zeros_like(u)).softmax(1).mean(0)
    assert KINDS[int(told.argmax())] == kind


def test_doubt_about_f_is_not_taken_for_heavy_tails():
    u = draw("normal")[2]
    cavity = u.var() * torch.linspace(-6, 3, u.shape[1]).exp().expand_as(u)
    gap = u + cavity.sqrt() * torch.randn(u.shape, generator=torch.Generator().manual_seed(9))
    assert (evidence(gap, torch.zeros_like(gap)).argmax(1) == 0).float().mean() < 0.1
    assert (evidence(gap, cavity).argmax(1) == 0).float().mean() > 0.9


def test_variances_cover_the_error():
    x, y, _ = draw("laplace")
    line = fit_line(x, y, torch.zeros(G))
    z = (line.weights - TRUTH).square() / line.covariance.diagonal(dim1=1, dim2=2)
    assert 0.5 < z.mean() < 2
