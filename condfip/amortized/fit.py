"""How a node's Gaussian process meets its context: slopes of its likelihood, left-out residuals.

Letters as in `kernel`; algebra follows Rasmussen and Williams 2006, sections 5.4.1 and 5.4.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from bench.scm.kernel import Parts, factor, kernel, mix
from condfip.amortized.kernel import Hyper

NUMBERS = 2**18  # kernel entries of the nodes handled together: more would leave the cache


@dataclass(frozen=True)
class Fit:
    """How a node's Gaussian process meets its own context.

    Attributes:
        fitted, trace: for each hyper-parameter the two halves of the marginal likelihood's slope, a
            quadratic form in the data and a trace; in the order amplitudes and noise [G, S + 1],
            then lengths, linear variances and, where there are any, own variances [G, P, 2 or 3].
        gap: leave-one-out residuals of the child, [G, N].
        cavity: their variance without the row's own noise, [G, N].
        likelihood: log marginal likelihood a row, [G].
        steepness: mean square slope of F along each parent, [G, P].
    """

    fitted: tuple[Tensor, Tensor]
    trace: tuple[Tensor, Tensor]
    gap: Tensor
    cavity: Tensor
    likelihood: Tensor
    steepness: Tensor

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Those of some nodes, then those of others."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*(_joined(column) for column in columns))


def _joined(column: list) -> Any:
    if isinstance(column[0], tuple):
        return tuple(_joined(list(part)) for part in zip(*column, strict=True))
    return torch.cat(column)


def pieces(x: Tensor) -> Iterator[slice]:
    """Cuts the nodes of parents [G, N, P] into groups whose kernels stay in the cache."""
    size = max(1, NUMBERS // x.shape[1] ** 2)
    return (slice(start, start + size) for start in range(0, len(x), size))


@dataclass(frozen=True)
class Solution:
    """The process of each node after its context.

    Attributes:
        dual: weights (K + noise)^-1 targets, [G, N].
        gap, cavity: as in `Fit`.
        rest: the child less F at its own row, [G, N].
        spread: variance of F there, [G, N].
    """

    dual: Tensor
    gap: Tensor
    cavity: Tensor
    rest: Tensor
    spread: Tensor

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Those of some nodes, then those of others."""
        return cls(*(torch.cat([vars(part)[f.name] for part in parts]) for f in fields(cls)))

    def replaced(self, nodes: Tensor, others: Self) -> Self:
        """With those of some nodes from elsewhere."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return type(self)(*(whole.index_copy(0, nodes, part) for whole, part in pairs))

    def __getitem__(self, nodes: Tensor | slice | int) -> Self:
        """Those of some nodes, or of one, without the first axis."""
        return type(self)(*(t[nodes] for t in vars(self).values()))


def solved(hyper: Hyper, x: Tensor, y: Tensor) -> Solution:
    """The `Solution` of each node; x [G, N, P], y [G, N]."""
    parts = ((hyper[part], x[part], y[part]) for part in pieces(x))
    return Solution.join([solved_by(h, kernel(h.kernel, a, a).total, b) for h, a, b in parts])


def solved_by(hyper: Hyper, covariance: Tensor, y: Tensor) -> Solution:
    """The `Solution` of each node by the covariance [G, N, N] of F at its rows; y [G, N]."""
    noise, target = hyper.row_variance, hyper.targets(y)
    inverse = torch.cholesky_inverse(factor(covariance, noise))
    dual = (inverse @ target[:, :, None]).squeeze(2)
    own = inverse.diagonal(dim1=1, dim2=2)
    return Solution(
        dual=dual,
        gap=y - (target - dual / own),
        cavity=(1 / own - noise).clamp(min=0),
        rest=y - target + noise * dual,
        spread=(noise - noise.square() * own).clamp(min=0),
    )


def examine(hyper: Hyper, x: Tensor, y: Tensor) -> Fit:
    """The `Fit` of each node; x [G, N, P], y [G, N]."""
    return Fit.join([_examine(hyper[part], x[part], y[part]) for part in pieces(x)])


def _examine(hyper: Hyper, x: Tensor, y: Tensor) -> Fit:
    parts, target = kernel(hyper.kernel, x, x), hyper.targets(y)
    root = factor(parts.total, hyper.row_variance)
    inverse = torch.cholesky_inverse(root)
    dual = (inverse @ target[:, :, None]).squeeze(2)
    own = inverse.diagonal(dim1=1, dim2=2)
    logdet = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
    bent = mix(parts.powers, hyper.amplitude.exp(), 4.0)
    return Fit(
        *_slopes(hyper, x, parts, bent, dual, inverse),
        gap=y - (target - dual / own),
        cavity=(1 / own - hyper.row_variance).clamp(min=0),
        likelihood=-0.5 * ((dual * target).sum(1) + logdet) / x.shape[1],
        steepness=_steepness(hyper, x, parts, bent, dual),
    )


def _slopes(
    hyper: Hyper, x: Tensor, parts: Parts, bent: Tensor, dual: Tensor, inverse: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    linear, scaled = hyper.linear.exp(), x * hyper.kernel.inverse
    sizes = [*zip(hyper.amplitude.exp().unbind(1), parts.powers, strict=True)]
    halves = [_halves(size, power, dual, inverse) for size, power in sizes]
    fitted, trace = (list(column) for column in zip(*halves, strict=True))
    fitted += [(hyper.row_variance * dual.square()).sum(1)]
    trace += [(hyper.row_variance * inverse.diagonal(dim1=1, dim2=2)).sum(1)]
    ones = torch.ones_like(dual)
    lengths = [_length_slope(bent, scaled, dual), _length_slope(bent * inverse, scaled, ones)]
    of_parents = [
        [lengths[0], linear * (dual[:, None, :] @ x).squeeze(1).square()],
        [lengths[1], linear * (x * (inverse @ x)).sum(1)],
    ]
    if hyper.own is not None:
        _add_own(of_parents, hyper, scaled, parts, dual, inverse)
    return (
        (torch.stack(fitted, 1), torch.stack(of_parents[0], 2)),
        (torch.stack(trace, 1), torch.stack(of_parents[1], 2)),
    )


def _halves(size: Tensor, power: Tensor, dual: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Of a component's log variance [G], its kernel being size [G] times power [G, N, N]."""
    fitted = (dual * (power @ dual[:, :, None]).squeeze(2)).sum(1)
    trace = (power.flatten(1)[:, None] @ inverse.flatten(1)[:, :, None]).flatten()
    return size * fitted, size * trace


def _add_own(
    of_parents: list[list[Tensor]],
    hyper: Hyper,
    scaled: Tensor,
    parts: Parts,
    dual: Tensor,
    inverse: Tensor,
) -> None:
    """Adds the own components' slopes along lengths and variances, in place."""
    assert hyper.own is not None
    halves = torch.zeros_like(hyper.own), torch.zeros_like(hyper.own)
    ones = torch.ones_like(dual)
    for j, power in parts.own.items():
        size, column = hyper.own[:, j].exp(), scaled[:, :, j : j + 1]
        pair = _halves(size, power, dual, inverse)
        weights = size[:, None, None] * power
        turns = (weights, dual), (weights * inverse, ones)
        for half, lengths, value, turn in zip(halves, of_parents, pair, turns, strict=True):
            half[:, j] = value
            lengths[0][:, j] += _length_slope(turn[0], column, turn[1])[:, 0]
    for lengths, half in zip(of_parents, halves, strict=True):
        lengths.append(half)


def _length_slope(weights: Tensor, x: Tensor, dual: Tensor) -> Tensor:
    """sum_ik dual_i weights_ik dual_k (x_ij - x_kj)^2 for each parent j, [G, P]."""
    turned = weights @ torch.cat([dual[:, :, None], dual[:, :, None] * x], 2)
    own, other = turned[:, :, :1], turned[:, :, 1:]
    return 2 * (dual[:, :, None] * (x.square() * own - x * other)).sum(1)


def _steepness(hyper: Hyper, x: Tensor, parts: Parts, bent: Tensor, dual: Tensor) -> Tensor:
    curved = _slope(bent, x, dual)
    for j, power in parts.own.items():
        assert hyper.own is not None
        size = hyper.own[:, j].exp()[:, None, None]
        curved[:, :, j : j + 1] += size * _slope(power, x[:, :, j : j + 1], dual)
    curved = curved * (-2 * hyper.length).exp()[:, None, :]
    line = hyper.linear.exp() * (dual[:, None, :] @ x).squeeze(1)
    return (curved + line[:, None, :]).square().mean(1)


def _slope(power: Tensor, x: Tensor, dual: Tensor) -> Tensor:
    """Of sum_k power_ik dual_k along each parent, times the squared length, [G, N, P]."""
    turned = power @ torch.cat([dual[:, :, None], dual[:, :, None] * x], 2)
    return turned[:, :, 1:] - x * turned[:, :, :1]
