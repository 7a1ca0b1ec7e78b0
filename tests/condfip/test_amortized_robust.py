"""Noise that is not normal: rows' noise found in turn with the process."""

import pytest
import torch

from condfip.amortized import robust
from condfip.amortized.fit import solved
from condfip.amortized.kernel import Hyper
from condfip.amortized.robust import settled

G, N, P = 6, 200, 1
KINDS = ("normal", "laplace", "parted")


def context(kind, noise=0.5, rows=N):
    """Parents, child, truth, and hyper-parameters that suit them."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(G, rows, P, generator=g, dtype=torch.float64)
    z = torch.randn(G, rows, generator=g, dtype=torch.float64)
    one, other = -torch.rand(2, G, rows, generator=g, dtype=torch.float64).log()
    u = {
        "normal": z,
        "laplace": (one - other) / 2**0.5,
        "parted": 0.2 * z + 2 * (one > 0.6931).to(z) - 1,
    }[kind]
    truth = x[:, :, 0].sin()
    level = torch.zeros(G, dtype=torch.float64)
    hyper = Hyper(
        amplitude=level[:, None] - 1,
        noise=level + 2 * torch.tensor(noise).log(),
        length=torch.zeros_like(x[:, 0]) + 0.3,
        linear=torch.zeros_like(x[:, 0]) - 1,
        stretch=torch.zeros_like(z),
        shift=torch.zeros_like(z),
    )
    return x, truth + noise * u, truth, hyper


def errors(kind, **settings):
    """Mean variances of the errors of F over rows, before and after.

    Its level is known no better than the mean of the noise.
    """
    x, y, truth, hyper = context(kind, **settings)
    before = solved(hyper, x, y)
    after = settled(hyper, x, y, before)[1]
    return [(y - s.rest - truth).var(1).mean() for s in (before, after)]


def test_normal_noise_is_left_as_it_is():
    x, y, _, hyper = context("normal")
    found = solved(hyper, x, y)
    told, same = settled(hyper, x, y, found)
    assert torch.equal(same.dual, found.dual) and torch.equal(told.shift, hyper.shift)


@pytest.mark.parametrize(("kind", "share"), [("laplace", 0.85), ("parted", 0.35)])
def test_rows_whose_noise_is_told_say_more_of_f(kind, share):
    before, after = errors(kind)
    assert after < share * before


def test_noise_of_one_variance_leaves_f_where_rows_of_their_own_weight_put_it(monkeypatch):
    x, y, _, hyper = context("laplace")
    monkeypatch.setattr(robust, "ROUNDS", 40)
    found = solved(hyper, x, y)
    told, after = settled(hyper, x, y, found)
    places, shape = robust.Shape.of(found.gap, found.cavity)
    weighted = robust._with(told[places], *shape(after.rest[places], after.spread[places]))
    with_weights = solved(weighted, x[places], y[places])
    gap = (with_weights.rest - after.rest[places]).square().mean().sqrt()
    assert len(places) >= G - 1 and gap < 0.02  # by chance some draws look normal
    assert told.stretch.abs().max() < 1e-12
    fisher = 2 / 0.5**2  # of a Laplace variable about its mean, its variance being a half squared
    assert (1 / told.noise[places].exp()).mean() == pytest.approx(fisher, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_was_not_left_out_is_told_too(kind):
    few = slice(0, N)
    x, y, truth, hyper = context(kind, rows=2 * N)
    told, found = settled(hyper, x, y, solved(hyper.of_rows(few), x[:, few], y[:, few]))
    assert told.shift.shape == y.shape and found.gap.shape == (G, N)
    later = [(t.targets(y) - truth)[:, N:].square().mean() for t in (hyper, told)]
    if kind == "normal":
        assert later[0] == later[1]
    else:
        assert later[1] < {"laplace": 0.75, "parted": 0.1}[kind] * later[0]
