"""Gaussian processes with their hyper-parameters given, solved exactly or by inducing rows.

Letters: G nodes, N context rows, M query rows, P parents (padded with zero columns), S scales.

k(x, x') = 1 + sum_j w_j x_j x'_j + b(x, x'): a constant, a linear part with a variance for each
parent, and a bent part b = sum_s a_s e^(4^s) + sum_j c_j e_j with e_j = exp(-(x_j - x'_j)^2 /
(2 l_j^2)) and e their product: S squared exponentials, each with half the lengths of the one
before, for which e is squared twice and not exponentiated again, and, where `own` is given, a
component of each parent alone. Algebra follows Rasmussen and Williams 2006, sections 2.2 and 8.3.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from bench.scm.tabulated import Bumps

CONSTANT = 1.0  # variance of the constant, in units of the child's variance
JITTER = 1e-10  # on the diagonal, in units of the prior variance
QUIET = 1e-5  # variance of a component that no answer would show
SILENT = 1e-6  # standard deviations of the child
BLOCK = 2**15  # kernel entries of a query held at once, so that they stay in a core's own cache


@dataclass(frozen=True)
class Kernel:
    """Hyper-parameters of a kernel, all logarithms, variances in units of the child's variance.

    Attributes:
        amplitude: a [G, S].
        length: l [G, P].
        linear: w [G, P].
        own: c [G, P], or None for no components of one parent.
    """

    amplitude: Tensor
    length: Tensor
    linear: Tensor
    own: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The kernel with a function applied to every tensor."""
        own = None if self.own is None else change(self.own)
        return type(self)(change(self.amplitude), change(self.length), change(self.linear), own)

    def __getitem__(self, nodes: Tensor | slice) -> Self:
        """Those of some nodes."""
        return self.each(lambda tensor: tensor[nodes])

    @property
    def inverse(self) -> Tensor:
        """1 / l, [G, 1, P]."""
        return (-self.length).exp()[:, None, :]

    @property
    def bend(self) -> Tensor:
        """Log of the mean square slope of b along a parent, times its squared length, [G, P]."""
        scales = torch.arange(self.amplitude.shape[1]).to(self.amplitude)
        joint = (self.amplitude + scales * torch.tensor(4.0).log()).logsumexp(1, keepdim=True)
        joint = joint.expand_as(self.length)
        return joint if self.own is None else torch.logaddexp(joint, self.own)

    def audible(self) -> dict[int, Tensor]:
        """Own components that some node's answer would show: parent -> its variance c, [G]."""
        if self.own is None:
            return {}
        loud = self.own.detach().amax(0) > torch.tensor(QUIET).log()
        return {j: self.own[:, j].exp() for j in loud.nonzero().flatten().tolist()}


@dataclass(frozen=True)
class Parts:
    """Kernel between rows, all [G, N, M].

    Attributes:
        powers: of e, one a scale.
        own: e_j of each audible parent j.
        bent: b.
        total: k.
    """

    powers: list[Tensor]
    own: dict[int, Tensor]
    bent: Tensor
    total: Tensor


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of rows [G, N, P] and [G, M, P]: [G, N, M]."""
    squares = x.square().sum(-1, keepdim=True) + y.square().sum(-1)[..., None, :]
    return torch.baddbmm(squares, x, y.mT, alpha=-2).clamp(min=0)


def powers_of(base: Tensor, scales: int) -> list[Tensor]:
    """Powers of the base: base, base^4, base^16, ..."""
    powers = [base]
    for _ in range(scales - 1):
        square = powers[-1] * powers[-1]
        powers.append(square * square)
    return powers


def mix(powers: list[Tensor], weights: Tensor, grow: float = 1.0) -> Tensor:
    """The sum over s of grow^s weights_s powers_s; weights [G, S]."""
    total = powers[0] * weights[:, 0, None, None]
    for s, power in enumerate(powers[1:], 1):
        total.addcmul_(power, grow**s * weights[:, s, None, None])
    return total


def own_power(hyper: Kernel, x: Tensor, y: Tensor, j: int) -> Tensor:
    """The factor e_j between rows [G, N, P] and [G, M, P]: [G, N, M]."""
    rate = (-hyper.length[:, j]).exp()[:, None]
    gap = (x[:, :, j] * rate)[:, :, None] - (y[:, :, j] * rate)[:, None, :]
    return (-0.5 * gap.square()).exp()


def kernel(hyper: Kernel, x: Tensor, y: Tensor) -> Parts:
    """Computes the kernel between rows [G, N, P] and [G, M, P]."""
    base = (-0.5 * squared_distance(x * hyper.inverse, y * hyper.inverse)).exp()
    powers = powers_of(base, hyper.amplitude.shape[1])
    bent = mix(powers, hyper.amplitude.exp())
    variances = hyper.audible()
    own = {j: own_power(hyper, x, y, j) for j in variances}
    for j, power in own.items():
        bent = bent.addcmul_(power, variances[j][:, None, None])
    total = torch.baddbmm(bent, x * hyper.linear.exp()[:, None, :], y.mT).add_(CONSTANT)
    return Parts(powers, own, bent, total)


def bent_variance(hyper: Kernel) -> Tensor:
    """The variance of the bent part, b(x, x), the same everywhere, [G, 1]."""
    total = hyper.amplitude.exp().sum(1, keepdim=True)
    for variance in hyper.audible().values():
        total = total + variance[:, None]
    return total


def variance(hyper: Kernel, x: Tensor) -> Tensor:
    """The prior variance k(x, x) of rows [G, M, P]: [G, M]."""
    line = (x.square() * hyper.linear.exp()[:, None, :]).sum(2)
    return bent_variance(hyper) + line + CONSTANT


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


def covariance(hyper: Kernel, x: Tensor, noise: Tensor) -> Tensor:
    """The covariance [N, N] of one node's rows x [N, P], noise [N] and jitter included.

    `kernel` and `factor` for rows so many that copies are to be avoided.
    """
    scaled = x * hyper.inverse[0]
    squares = -0.5 * scaled.square().sum(1)
    base = torch.addmm(squares[:, None] + squares, scaled, scaled.T).clamp_(max=0).exp_()
    total = base * hyper.amplitude[0, 0].exp()
    for s in range(1, hyper.amplitude.shape[1]):
        base.square_().square_()
        total.add_(base, alpha=float(hyper.amplitude[0, s].exp()))
    for j, variance in hyper.audible().items():
        torch.sub(scaled[:, j, None], scaled[:, j], out=base)
        total.add_(base.square_().mul_(-0.5).exp_(), alpha=float(variance[0]))
    total.addmm_(x * hyper.linear[0].exp(), x.T).add_(CONSTANT)
    diagonal = total.diagonal()
    diagonal.add_(noise + JITTER * diagonal.mean())
    return total


@dataclass(frozen=True)
class Process:
    """One node's process after its context: what it answers anywhere.

    Attributes:
        hyper: of a group of one.
        rows: what the bent part is expanded in [R, P], and dual: its weights [R].
        line: weights of the parents [P].
        level: of the constant [].
    """

    hyper: Kernel
    rows: Tensor
    dual: Tensor
    line: Tensor
    level: Tensor

    def mean(self, here: Tensor) -> Tensor:
        """F at parents [M, P]: [M]."""
        size = max(1, BLOCK // len(self.rows))
        answer = torch.cat([self._mean(rows) for rows in here.split(size)])
        for j, bumps in self._own:
            answer.add_(bumps(here[:, j]))
        return answer

    def variance(self, here: Tensor) -> Tensor:
        """The posterior variance of F at parents [M, P]: [M]."""
        size = max(1, BLOCK // len(self.rows))
        parts = [self._variance(rows) for rows in here.split(size)]
        return torch.cat(parts).clamp(min=0)

    def _variance(self, here: Tensor) -> Tensor:
        raise NotImplementedError

    def _mean(self, here: Tensor) -> Tensor:
        answer = here @ self.line + self.level
        if not self._audible:
            return answer
        here = here * self.hyper.inverse[0]
        squares = self._squares - 0.5 * here.square().sum(1, keepdim=True)
        power = torch.addmm(squares, here, self._there.T).clamp_(max=0).exp_()
        for s, weight in enumerate(self._audible):
            if s:
                power.mul_(power)
                power.mul_(power)  # each scale has half the lengths of the one before
            answer.addmv_(power, self.dual, alpha=weight)
        return answer

    @cached_property
    def _audible(self) -> list[float]:
        """Amplitudes of the scales up to the last that can change an answer by `SILENT`."""
        amplitudes = self.hyper.amplitude[0].exp()
        loud = (amplitudes * self.dual.abs().sum() > SILENT).nonzero()
        return amplitudes[: int(loud[-1]) + 1].tolist() if len(loud) else []

    @cached_property
    def _own(self) -> list[tuple[int, Bumps]]:
        weights = {j: v[0] * self.dual for j, v in self.hyper.audible().items()}
        lengths = self.hyper.length[0].exp().tolist()
        return [(j, Bumps.of(self.rows[:, j], w, lengths[j])) for j, w in weights.items()]

    @cached_property
    def _there(self) -> Tensor:
        return self.rows * self.hyper.inverse[0]

    @cached_property
    def _squares(self) -> Tensor:
        return -0.5 * self._there.square().sum(1)


@dataclass(frozen=True)
class Exact(Process):
    """A process expanded in all context rows.

    Attributes:
        noise: variance of each row's noise, [N].
    """

    noise: Tensor

    @classmethod
    def of(cls, hyper: Kernel, x: Tensor, noise: Tensor, dual: Tensor) -> Self:
        """From the dual weights (K + noise)^-1 y [N] of rows x [N, P]."""
        line = hyper.linear[0].exp() * (dual @ x)
        return cls(hyper, x, dual, line, CONSTANT * dual.sum(), noise)

    def _variance(self, here: Tensor) -> Tensor:
        cross = kernel(self.hyper, self.rows[None], here[None]).total[0]
        half = torch.linalg.solve_triangular(self.root, cross, upper=False)
        return variance(self.hyper, here[None])[0] - half.square().sum(0)

    @cached_property
    def root(self) -> Tensor:
        """Cholesky factor of the rows' covariance, noise included, [N, N]."""
        x = self.rows[None]
        return factor(kernel(self.hyper, x, x).total, self.noise[None])[0]


@dataclass(frozen=True)
class Induced(Process):
    """Expanded in some of the rows, its constant and line exact (see `bench.scm.inducing`).

    Attributes:
        inner: Cholesky factor of b between the rows.
        outer: of the features' precision.
    """

    inner: Tensor
    outer: Tensor

    def _variance(self, here: Tensor) -> Tensor:
        phi = features(self.hyper, here, self.rows, self.inner)
        half = torch.linalg.solve_triangular(self.outer, phi.T, upper=False)
        bent = phi[:, 1 + here.shape[1] :].square().sum(1)
        return bent_variance(self.hyper)[0] - bent + half.square().sum(0)


def features(hyper: Kernel, x: Tensor, rows: Tensor, inner: Tensor) -> Tensor:
    """Whose inner products are k, b projected onto `rows` [R, P]: [N, 1 + P + R] of x [N, P]."""
    bent = kernel(hyper, rows[None], x[None]).bent[0]
    bent = torch.linalg.solve_triangular(inner, bent, upper=False).T
    line = x * (0.5 * hyper.linear[0]).exp()
    return torch.cat([torch.full_like(line[:, :1], CONSTANT**0.5), line, bent], 1)


def pieces(count: int, size: int) -> Iterator[slice]:
    """0..count cut into slices of at most `size`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def solve(hyper: Kernel, x: Tensor, y: Tensor, noise: Tensor) -> Exact:
    """The process of one node: hyper of a group of one, x [N, P], y [N], noise variances [N]."""
    root = factor(kernel(hyper, x[None], x[None]).total, noise[None])
    dual = torch.cholesky_solve(y[None, :, None], root)[0, :, 0]
    return Exact.of(hyper, x, noise, dual)
