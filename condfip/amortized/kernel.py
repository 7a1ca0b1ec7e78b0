"""A node's Gaussian process and how it meets its context, many nodes at once, in closed form.

Letters: G nodes, N context rows, M query rows, P parents (padded with zero columns), S scales. The
kernel is that of `bench.scm.kernel`; algebra follows Rasmussen and Williams 2006, sections 2.2,
5.4.1 and 5.4.2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from bench.scm.kernel import Kernel, Parts, factor, kernel, mix, variance

NUMBERS = 2**18  # kernel entries of the nodes handled together: more would leave the cache


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters, all logarithms, all variances in units of the child's variance.

    Attributes:
        amplitude: a [G, S].
        noise: [G].
        length: l [G, P].
        linear: w [G, P].
        stretch: log of each row's noise variance over `noise`, [G, N].
        shift: expected noise of each row over the noise's standard deviation, [G, N].
        own: c [G, P], None for a kernel without components of one parent.
        gate: beyond the context, how much F goes on as a line (a logit), [G], None for not at all.
        growth: log of the variance that F gains there, [G]; see `gain`.
    """

    amplitude: Tensor
    noise: Tensor
    length: Tensor
    linear: Tensor
    stretch: Tensor
    shift: Tensor
    own: Tensor | None = None
    gate: Tensor | None = None
    growth: Tensor | None = None

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{n: change(t) for n, t in vars(self).items() if t is not None})

    def detach(self) -> Self:
        """The same hyper-parameters without gradients."""
        return self._each(lambda t: t.detach())

    def to(self, like: Tensor) -> Self:
        """In the precision of another tensor."""
        return self._each(lambda t: t.to(like))

    @property
    def is_finite(self) -> bool:
        """Whether all of them are numbers."""
        return all(bool(t.isfinite().all()) for t in vars(self).values() if t is not None)

    def __getitem__(self, nodes: Tensor | slice) -> Self:
        """Those of some nodes."""
        return self._each(lambda t: t[nodes])

    def over(self, rows: int) -> Self:
        """For so many rows; rows that are new have the node's own noise."""
        more = rows - self.stretch.shape[1]
        pad = torch.nn.functional.pad
        return replace(self, stretch=pad(self.stretch, (0, more)), shift=pad(self.shift, (0, more)))

    def of_rows(self, rows: slice) -> Self:
        """The hyper-parameters for some of the rows."""
        return replace(self, stretch=self.stretch[:, rows], shift=self.shift[:, rows])

    def narrow(self, parents: int) -> Self:
        """For the first so many parents."""
        of_parents = ("length", "linear", "own")
        cut = {k: v[:, :parents] for k in of_parents if (v := getattr(self, k)) is not None}
        return replace(self, **cut)._each(torch.Tensor.clone)

    @property
    def kernel(self) -> Kernel:
        """The hyper-parameters of the kernel alone, without the noise."""
        return Kernel(self.amplitude, self.length, self.linear, self.own)

    @property
    def row_variance(self) -> Tensor:
        """Noise variance of each row, [G, N]."""
        return (self.noise[:, None] + self.stretch).exp()

    def targets(self, y: Tensor) -> Tensor:
        """The child without the rows' expected noise, [G, N]."""
        return y - self.shift * (0.5 * self.noise)[:, None].exp()


def posterior(hyper: Hyper, x: Tensor, y: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of F at query rows.

    Args:
        hyper: of each node. x: parents [G, N, P]. y: child [G, N]. query: parents [G, M, P].

    Returns:
        Mean [G, M], variance [G, M].
    """
    root = factor(kernel(hyper.kernel, x, x).total, hyper.row_variance)
    cross = kernel(hyper.kernel, x, query).total
    joined = torch.cat([cross, hyper.targets(y)[:, :, None]], 2)
    half = torch.linalg.solve_triangular(root, joined, upper=False)
    mean = (half[:, :, :-1] * half[:, :, -1:]).sum(1)
    spread = variance(hyper.kernel, query) - half[:, :, :-1].square().sum(1)
    return mean, spread


def continued(
    hyper: Hyper, line: Tensor, x: Tensor, y: Tensor, query: Tensor
) -> tuple[Tensor, Tensor]:
    """`posterior`, in part going on as a line where a query leaves the context's range.

    Args:
        hyper: of each node, with a gate. line: weights of a line [G, P]. others: see `posterior`.
    """
    inside = query.clamp(x.amin(1, keepdim=True), x.amax(1, keepdim=True))
    means, spreads = posterior(hyper, x, y, torch.cat([query, inside], 1))
    gap = query - inside
    straight = means.chunk(2, 1)[1] + (gap @ line[:, :, None]).squeeze(2)
    assert hyper.gate is not None
    gate, (first, second) = hyper.gate.sigmoid()[:, None], spreads.chunk(2, 1)
    return beyond(gate, (means.chunk(2, 1)[0], straight), (first, second), gain(hyper, gap))


def gain(hyper: Hyper, gap: Tensor) -> Tensor:
    """Variance that F gains at gaps [G, M, P] from the context's range, [G, M].

    `growth` times the squared gap times the squared slope that the kernel expects of each parent.
    """
    steep = (hyper.kernel.bend - 2 * hyper.length).exp()
    assert hyper.growth is not None
    return hyper.growth.exp()[:, None] * (gap.square() @ steep[:, :, None]).squeeze(2)


def beyond(
    gate: Tensor | float, means: tuple[Tensor, Tensor], spreads: tuple[Tensor, Tensor], more: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance of F beyond the context's range.

    Args:
        gate: weight of a line. means: of F at the query, and of F at the nearest place in range
            plus the line's change. spreads: variances there. more: added to the variance.
    """
    mean = means[0] + gate * (means[1] - means[0])
    return mean, spreads[0] + gate * (spreads[1] - spreads[0]) + more


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


def solved(hyper: Hyper, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Dual weights (K + noise)^-1 targets, and `gap` and `cavity` as in `Fit`, [G, N] each."""
    parts = [_solved(hyper[part], x[part], y[part]) for part in pieces(x)]
    dual, gap, cavity = map(torch.cat, zip(*parts, strict=True))
    return dual, gap, cavity


def _solved(hyper: Hyper, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    noise, target = hyper.row_variance, hyper.targets(y)
    inverse = torch.cholesky_inverse(factor(kernel(hyper.kernel, x, x).total, noise))
    dual = (inverse @ target[:, :, None]).squeeze(2)
    own = inverse.diagonal(dim1=1, dim2=2)
    return dual, y - (target - dual / own), (1 / own - noise).clamp(min=0)


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
