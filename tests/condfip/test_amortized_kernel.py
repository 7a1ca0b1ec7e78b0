"""The closed forms of the in-context model against the definitions they stand for."""

from dataclasses import replace

import pytest
import torch

from bench.scm.kernel import kernel
from condfip.amortized.fit import examine
from condfip.amortized.kernel import Hyper, posterior

G, N, P, S = 2, 14, 3, 3


def draw(seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    hyper = Hyper(
        normal(G, S), normal(G), 0.3 * normal(G, P), normal(G, P), 0.3 * normal(G, N), normal(G, N)
    )
    x, y = normal(G, N, P), normal(G, N)
    return replace(hyper, own=normal(G, P)), x, y


def test_kernel_is_the_sum_it_says():
    hyper, x, _ = draw()
    distance = ((x[:, :, None] - x[:, None]) / hyper.length.exp()[:, None, None]).square().sum(3)
    scales = [
        a[:, None, None] * (-(4**s) * distance / 2).exp()
        for s, a in enumerate(hyper.amplitude.exp().unbind(1))
    ]
    line = (x * hyper.linear.exp()[:, None]) @ x.mT
    gaps = ((x[:, :, None] - x[:, None]) / hyper.length.exp()[:, None, None]).square()
    own = (hyper.own.exp()[:, None, None] * (-gaps / 2).exp()).sum(3)
    assert torch.allclose(kernel(hyper.kernel, x, x).total, sum(scales) + own + line + 1)


def test_slopes_are_the_likelihoods():
    hyper, x, y = draw()
    for tensor in (t for t in vars(hyper).values() if t is not None):
        tensor.requires_grad_(True)
    covariance = kernel(hyper.kernel, x, x).total + torch.diag_embed(hyper.row_variance)
    target = hyper.targets(y).detach()[:, :, None]
    value = -0.5 * (target.mT @ covariance.inverse() @ target).flatten() - 0.5 * covariance.logdet()
    slopes = torch.autograd.grad(
        value.sum(), [hyper.amplitude, hyper.noise, hyper.length, hyper.linear, hyper.own]
    )
    fit = examine(hyper.detach(), x, y)
    node, parent = ((f - t) / 2 for f, t in zip(fit.fitted, fit.trace, strict=True))
    assert torch.allclose(node, torch.cat([slopes[0], slopes[1][:, None]], 1), atol=1e-6)
    assert torch.allclose(parent, torch.stack(slopes[2:], 2), atol=1e-6)
    assert torch.allclose(fit.likelihood * N, value, atol=1e-6)


@pytest.mark.parametrize("row", [0, 5])
def test_leaving_a_row_out_is_fitting_without_it(row):
    hyper, x, y = draw(1)
    fit, kept = examine(hyper, x, y), torch.arange(N) != row
    without = Hyper(
        **vars(hyper) | {"stretch": hyper.stretch[:, kept], "shift": hyper.shift[:, kept]}
    )
    mean, spread = posterior(without, x[:, kept], y[:, kept], x[:, row : row + 1])
    assert torch.allclose(fit.gap[:, row], y[:, row] - mean[:, 0], atol=1e-6)
    assert torch.allclose(fit.cavity[:, row], spread[:, 0], atol=1e-6)


def test_steepness_is_the_mean_square_slope_of_F():
    hyper, x, y = draw(2)
    moved = x.clone().requires_grad_(True)
    mean, _ = posterior(hyper, x, y, moved)
    slope = torch.autograd.grad(mean.sum(), moved)[0]
    assert torch.allclose(examine(hyper, x, y).steepness, slope.square().mean(1), rtol=1e-5)
