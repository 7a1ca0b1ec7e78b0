"""Gaussian processes in closed form, many nodes at once, with hyper-parameters given.

Letters: G nodes, N context rows, M query rows, P parents (padded with zero columns), S scales.

k(x, x') = 1 + sum_j w_j x_j x'_j + sum_s a_s e^(4^s), e = exp(-sum_j (x_j - x'_j)^2 / (2 l_j^2)): a
constant, a linear part with a variance for each parent, and S squared exponentials, each with half
the lengths of the one before, for which e is squared twice and not exponentiated again. Algebra
follows Rasmussen and Williams 2006, sections 2.2, 5.4.1 and 5.4.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

CONSTANT = 1.0  # variance of the constant, in units of the child's variance
JITTER = 1e-10  # on the diagonal, in units of the prior variance
NUMBERS = 2**18  # kernel entries of the nodes handled together: more would leave the cache


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters, all logarithms, all variances in units of the child's variance.

    Attributes:
        amplitude: a [G, S]. noise: [G]. length: l [G, P]. linear: w [G, P].
        stretch: log of each row's noise variance over `noise`, [G, N].
        shift: expected noise of each row over the noise's standard deviation, [G, N].
    """

    amplitude: Tensor
    noise: Tensor
    length: Tensor
    linear: Tensor
    stretch: Tensor
    shift: Tensor

    def detach(self) -> Self:
        """Without gradients."""
        return type(self)(*(t.detach() for t in vars(self).values()))

    def __getitem__(self, nodes: Tensor | slice) -> Self:
        """Those of some nodes."""
        return type(self)(*(t[nodes] for t in vars(self).values()))

    def over(self, rows: int) -> Self:
        """For so many rows; rows that are new have the node's own noise."""
        more = rows - self.stretch.shape[1]
        pad = torch.nn.functional.pad
        return replace(self, stretch=pad(self.stretch, (0, more)), shift=pad(self.shift, (0, more)))

    @property
    def row_variance(self) -> Tensor:
        """Noise variance of each row, [G, N]."""
        return (self.noise[:, None] + self.stretch).exp()

    def targets(self, y: Tensor) -> Tensor:
        """The child without the rows' expected noise, [G, N]."""
        return y - self.shift * (0.5 * self.noise)[:, None].exp()


@dataclass(frozen=True)
class Parts:
    """Kernel between rows, all [G, N, M]: `powers` of e, one a scale, and `total`."""

    powers: list[Tensor]
    total: Tensor


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """Of rows [G, N, P] and [G, M, P]: [G, N, M]."""
    squares = x.square().sum(-1, keepdim=True) + y.square().sum(-1)[..., None, :]
    return torch.baddbmm(squares, x, y.mT, alpha=-2).clamp(min=0)


def powers_of(base: Tensor, scales: int) -> list[Tensor]:
    """base, base^4, base^16, ..."""
    powers = [base]
    for _ in range(scales - 1):
        square = powers[-1] * powers[-1]
        powers.append(square * square)
    return powers


def mix(powers: list[Tensor], weights: Tensor, grow: float = 1.0) -> Tensor:
    """sum_s grow^s weights_s powers_s; weights [G, S]."""
    total = powers[0] * weights[:, 0, None, None]
    for s, power in enumerate(powers[1:], 1):
        total.addcmul_(power, grow**s * weights[:, s, None, None])
    return total


def kernel(hyper: Hyper, x: Tensor, y: Tensor) -> Parts:
    """Between rows [G, N, P] and [G, M, P]."""
    inverse = (-hyper.length).exp()[:, None, :]
    base = (-0.5 * squared_distance(x * inverse, y * inverse)).exp()
    powers = powers_of(base, hyper.amplitude.shape[1])
    smooth = mix(powers, hyper.amplitude.exp())
    line = torch.baddbmm(smooth, x * hyper.linear.exp()[:, None, :], y.mT)
    return Parts(powers, line.add_(CONSTANT))


def variance(hyper: Hyper, x: Tensor) -> Tensor:
    """k(x, x) of rows [G, M, P]: [G, M]."""
    line = (x.square() * hyper.linear.exp()[:, None, :]).sum(2)
    return hyper.amplitude.exp().sum(1, keepdim=True) + line + CONSTANT


def factor(covariance: Tensor, noise: Tensor) -> Tensor:
    """Cholesky factors of covariance [G, N, N] plus noise [G, N] on the diagonal.

    Where rounding makes one fail it gets more jitter, up to a millionth of its prior variance.
    """
    level = covariance.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    for jitter in (JITTER, 1e2 * JITTER, 1e4 * JITTER):
        noisy = covariance.clone()
        noisy.diagonal(dim1=1, dim2=2).add_(noise + jitter * level)
        root, failed = torch.linalg.cholesky_ex(noisy)
        if not failed.any():
            break
    return root


def posterior(hyper: Hyper, x: Tensor, y: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of F at query rows.

    Args:
        hyper: of each node. x: parents [G, N, P]. y: child [G, N]. query: parents [G, M, P].

    Returns:
        Mean [G, M], variance [G, M].
    """
    root = factor(kernel(hyper, x, x).total, hyper.row_variance)
    cross = kernel(hyper, x, query).total
    joined = torch.cat([cross, hyper.targets(y)[:, :, None]], 2)
    half = torch.linalg.solve_triangular(root, joined, upper=False)
    mean = (half[:, :, :-1] * half[:, :, -1:]).sum(1)
    spread = variance(hyper, query) - half[:, :, :-1].square().sum(1)
    return mean, spread


@dataclass(frozen=True)
class Fit:
    """How a node's Gaussian process meets its own context.

    Attributes:
        fitted, trace: for each hyper-parameter the two halves of the marginal likelihood's slope,
            a quadratic form in the data and a trace; in the order amplitudes and noise [G, S + 1],
            then lengths and linear variances [G, P, 2].
        gap: leave-one-out residuals of the child, [G, N]. cavity: their variance without the
            row's own noise, [G, N]. likelihood: log marginal likelihood a row, [G].
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


def _joined(column: list) -> Tensor | tuple[Tensor, ...]:
    if isinstance(column[0], tuple):
        return tuple(_joined(list(part)) for part in zip(*column, strict=True))
    return torch.cat(column)


def pieces(x: Tensor) -> Iterator[slice]:
    """Cuts the nodes of parents [G, N, P] into groups whose kernels stay in the cache."""
    size = max(1, NUMBERS // x.shape[1] ** 2)
    return (slice(start, start + size) for start in range(0, len(x), size))


def dual_of(hyper: Hyper, x: Tensor, y: Tensor) -> Tensor:
    """What each row adds to F, (K + noise)^-1 targets, [G, N]; x [G, N, P], y [G, N]."""
    return torch.cat([_dual(hyper[part], x[part], y[part]) for part in pieces(x)])


def _dual(hyper: Hyper, x: Tensor, y: Tensor) -> Tensor:
    root = factor(kernel(hyper, x, x).total, hyper.row_variance)
    return torch.cholesky_solve(hyper.targets(y)[:, :, None], root).squeeze(2)


def examine(hyper: Hyper, x: Tensor, y: Tensor) -> Fit:
    """The `Fit` of each node; x [G, N, P], y [G, N]."""
    return Fit.join([_examine(hyper[part], x[part], y[part]) for part in pieces(x)])


def _examine(hyper: Hyper, x: Tensor, y: Tensor) -> Fit:
    parts, target = kernel(hyper, x, x), hyper.targets(y)
    root = factor(parts.total, hyper.row_variance)
    inverse = torch.cholesky_inverse(root)
    dual = (inverse @ target[:, :, None]).squeeze(2)
    own = inverse.diagonal(dim1=1, dim2=2)
    logdet = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
    bent = mix(parts.powers, hyper.amplitude.exp(), 4.0)
    slopes = _slopes(hyper, x, (parts.powers, bent), dual, inverse)
    return Fit(
        *slopes,
        gap=y - (target - dual / own),
        cavity=(1 / own - hyper.row_variance).clamp(min=0),
        likelihood=-0.5 * ((dual * target).sum(1) + logdet) / x.shape[1],
        steepness=_steepness(hyper, x, bent, dual),
    )


def _slopes(
    hyper: Hyper, x: Tensor, parts: tuple[list[Tensor], Tensor], dual: Tensor, inverse: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    amplitude, linear = hyper.amplitude.exp(), hyper.linear.exp()
    (powers, bent), scaled = parts, x * (-hyper.length).exp()[:, None, :]
    fitted, trace = [], []
    for s, power in enumerate(powers):
        fitted += [amplitude[:, s] * (dual * (power @ dual[:, :, None]).squeeze(2)).sum(1)]
        trace += [
            amplitude[:, s] * (power.flatten(1)[:, None] @ inverse.flatten(1)[:, :, None]).flatten()
        ]
    fitted += [(hyper.row_variance * dual.square()).sum(1)]
    trace += [(hyper.row_variance * inverse.diagonal(dim1=1, dim2=2)).sum(1)]
    lengths = [
        _length_slope(bent, scaled, dual),
        _length_slope(bent * inverse, scaled, torch.ones_like(dual)),
    ]
    lines = [
        linear * (dual[:, None, :] @ x).squeeze(1).square(),
        linear * (x * (inverse @ x)).sum(1),
    ]
    return (
        (torch.stack(fitted, 1), torch.stack([lengths[0], lines[0]], 2)),
        (torch.stack(trace, 1), torch.stack([lengths[1], lines[1]], 2)),
    )


def _length_slope(weights: Tensor, x: Tensor, dual: Tensor) -> Tensor:
    """sum_ik dual_i weights_ik dual_k (x_ij - x_kj)^2 for each parent j, [G, P]."""
    turned = weights @ torch.cat([dual[:, :, None], dual[:, :, None] * x], 2)
    own, other = turned[:, :, :1], turned[:, :, 1:]
    return 2 * (dual[:, :, None] * (x.square() * own - x * other)).sum(1)


def _steepness(hyper: Hyper, x: Tensor, bent: Tensor, dual: Tensor) -> Tensor:
    turned = bent @ torch.cat([dual[:, :, None], dual[:, :, None] * x], 2)
    curved = (turned[:, :, 1:] - x * turned[:, :, :1]) * (-2 * hyper.length).exp()[:, None, :]
    line = hyper.linear.exp() * (dual[:, None, :] @ x).squeeze(1)
    return (curved + line[:, None, :]).square().mean(1)
