"""What the network reads: closed-form statistics of a node's context, all of them unitless.

Letters as in `kernel`; T numbers of a parent, U numbers of a node.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from condfip.amortized.fit import Fit
from condfip.amortized.kernel import Hyper

RIDGES = (1e-4, 1e-2, 1e-1, 1.0, 10.0)  # times rows over 100
PAIRS = (1, 2, 3, 5, 8, 13, 21, 34)  # a row is compared with the rows so many places further on
BINS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.5)  # centres of distances in standard deviations
LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)


@dataclass(frozen=True)
class Features:
    """Statistics of parents [G, P, T] and of nodes [G, U]."""

    parents: Tensor
    node: Tensor

    def beside(self, more: Self) -> Self:
        """Joins statistics of more datasets to these."""
        parents = torch.cat([self.parents, more.parents], 2)
        return type(self)(parents, torch.cat([self.node, more.node], 1))


@dataclass(frozen=True)
class Ridge:
    """The linear part in closed form.

    Attributes:
        weights: [G, P].
        gap: leave-one-out residuals, [G, N].
        spread: their mean square, [G].
        chosen: which of `RIDGES`, by leave-one-out, [G].
        likelihood: log marginal likelihood a row of this linear model, its noise profiled, [G].
    """

    weights: Tensor
    gap: Tensor
    spread: Tensor
    chosen: Tensor
    likelihood: Tensor

    def penalty(self, rows: int) -> Tensor:
        """The penalty that was chosen for so many rows, [G]."""
        return self.spread.new_tensor(RIDGES)[self.chosen] * rows / 100


def ridge(x: Tensor, y: Tensor) -> Ridge:
    """Ridge regression with the penalty that leave-one-out error chooses (Allen 1974)."""
    n = x.shape[1]
    values, vectors = torch.linalg.eigh(x.mT @ x)
    turned = x @ vectors
    moment = (turned.mT @ y[:, :, None]).squeeze(2)
    penalty = x.new_tensor(RIDGES) * n / 100
    shrunk = 1 / (values.clamp(min=0)[:, None, :] + penalty[:, None])  # [G, R, P]
    residual = y[:, None, :] - (shrunk * moment[:, None, :]) @ turned.mT
    leverage = shrunk @ turned.square().mT + 1 / n
    gap = residual / (1 - leverage).clamp(min=1e-3)
    error = gap.square().mean(2)
    chosen = error.argmin(1)
    rows = torch.arange(len(x), device=x.device)
    weights = (vectors @ (shrunk[rows, chosen] * moment)[:, :, None]).squeeze(2)
    rest = y.square().sum(1) - (shrunk[rows, chosen] * moment.square()).sum(1)
    logdet = -(penalty[chosen, None] * shrunk[rows, chosen]).log().sum(1)
    likelihood = -0.5 * (1 + (rest / n).clamp(min=1e-8).log() + logdet / n)
    spread = error[rows, chosen].clamp(min=1e-8)
    return Ridge(weights, gap[rows, chosen], spread, chosen, likelihood)


def first(x: Tensor, y: Tensor, mask: Tensor, line: Ridge, use_ridge: bool) -> Features:
    """Before any process is fitted: moments, variograms, the ridge residual's quantiles."""
    rest = line.gap / line.spread.sqrt()[:, None] if use_ridge else y
    rest = rest - rest.mean(1, keepdim=True)
    gaps, steps = _pairs(x, rest)
    parents = torch.cat([_moments(x, rest, line), _variogram(gaps, steps)], 2)
    count = mask.sum(1, keepdim=True)
    whole = gaps.square().sum(2, keepdim=True) / count[:, :, None]
    node = [
        _variogram(whole.sqrt(), steps).squeeze(1),
        _shape(rest),
        line.spread.log()[:, None],
        torch.nn.functional.one_hot(line.chosen, len(RIDGES)),
        count.log(),
        torch.full_like(count, len(y[0]), dtype=x.dtype).log() - 4.5,
    ]
    return Features(parents, torch.cat([part.to(x.dtype) for part in node], 1))


def _moments(x: Tensor, rest: Tensor, line: Ridge) -> Tensor:
    """Of each parent: its weight, its shape, and what of the residual depends on it, [G, P, 6]."""
    square = x.square()
    r, scale = rest[:, :, None], x.shape[1] ** 0.5
    parts = [
        torch.asinh(10 * line.weights.abs()),
        (x**4).mean(1).add(1e-3).log(),
        (x**3).mean(1).abs(),
        torch.asinh(scale * ((square - 1) * r).mean(1).abs()),
        torch.asinh(scale * ((square - 3) * x * r).mean(1).abs()),
        torch.asinh(scale * ((square - 1) * (r.square() - 1)).mean(1)),
    ]
    return torch.stack(parts, 2)


def _pairs(x: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of pairs of rows [G, Q, P] and half their squared differences [G, Q]."""
    shifts = [s for s in PAIRS if s < x.shape[1]]
    gaps = torch.cat([(x - x.roll(s, 1)).abs() for s in shifts], 1)
    steps = torch.cat([0.5 * (rest - rest.roll(s, 1)).square() for s in shifts], 1)
    return gaps, steps


def _variogram(gaps: Tensor, steps: Tensor) -> Tensor:
    """Mean of steps at each of the soft `BINS` of gaps [G, Q, P] and its weight: [G, P, 2 bins]."""
    centres = gaps.new_tensor(BINS).log()
    weight = (-2 * ((gaps + 1e-3).log()[..., None] - centres).square()).exp()  # [G, Q, P, bins]
    total = weight.sum(1)
    mean = ((steps[:, :, None, None] * weight).sum(1) + 1) / (total + 1)
    return torch.cat([(mean + 1e-3).log(), (total + 1).log() / 5], 2)


def _shape(z: Tensor) -> Tensor:
    """Quantiles and moments of rows [G, N]: [G, levels + 3]."""
    level = z.new_tensor(LEVELS)
    place = (level * (z.shape[1] - 1)).round().long()
    scale = z.square().mean(1, keepdim=True).add(1e-12).sqrt()
    unit = z / scale
    quantiles = unit.sort(1).values[:, place]
    moments = [unit.abs().mean(1), torch.asinh((unit**3).mean(1)), (unit**4).mean(1).log()]
    return torch.cat([quantiles, torch.stack(moments, 1)], 1)


def again(hyper: Hyper, fit: Fit, line: Ridge) -> Features:
    """How well a process fits: slopes of its likelihood, leave-one-out residuals, steepness."""
    level = line.spread.log()
    balance = _balance(fit.fitted[1].flatten(1), fit.trace[1].flatten(1))
    sizes = (
        [hyper.length, hyper.linear]
        if hyper.own is None
        else [hyper.length, hyper.linear, hyper.own - level[:, None]]
    )
    steep = (fit.steepness[:, :, None] + 1e-6).log() / 3
    parents = [balance.view(*hyper.length.shape, -1), torch.stack(sizes, 2) / 3, steep]
    z = fit.gap / (fit.cavity + hyper.row_variance).sqrt()
    variances = torch.cat([hyper.amplitude, hyper.noise[:, None]], 1) - level[:, None]
    own = (fit.cavity / hyper.noise.exp()[:, None]).add(1e-6).log().mean(1)
    error = fit.gap.square().mean(1).add(1e-12).log() - level
    evidence = torch.asinh(fit.gap.shape[1] * (fit.likelihood - line.likelihood)) / 3
    node = [
        _balance(fit.fitted[0], fit.trace[0]),
        variances / 3,
        _shape(z),
        torch.stack([z.square().mean(1).add(1e-6).log(), own, error, fit.likelihood], 1),
        evidence[:, None],
    ]
    if hyper.gate is not None:
        node.append(bent_share(hyper, line)[:, None].log() / 3)
    return Features(torch.cat(parents, 2), torch.cat(node, 1))


def bent_share(hyper: Hyper, line: Ridge) -> Tensor:
    """Share of F's variance that no line explains, as far as can be seen, [G]."""
    noise = hyper.noise.exp()
    return ((line.spread - noise) / (1 - noise).clamp(min=1e-2)).clamp(1e-4, 1.0)


def _balance(fitted: Tensor, trace: Tensor) -> Tensor:
    """Both halves of a slope and the slope, on a scale that bears any size: [G, 3 K]."""
    parts = [fitted, trace, fitted - trace]
    return torch.asinh(torch.stack(parts, 2)).flatten(1) / 3


def row_features(hyper: Hyper, gap: Tensor, cavity: Tensor) -> Tensor:
    """Statistics of rows [G, N, 4]: left-out residuals in two units, and how sure F is there."""
    noise = hyper.noise.exp()[:, None]
    z = gap / (cavity + noise).sqrt()
    sure = (cavity / noise).add(1e-4).log() / 3
    return torch.stack([z.clamp(-8, 8), z.abs().clamp(max=8), torch.asinh(z.square()), sure], 2)
