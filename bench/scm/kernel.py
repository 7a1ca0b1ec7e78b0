"""Kernels of Gaussian processes with their hyper-parameters given.

Letters: G nodes, N rows, M other rows, P parents (padded with zero columns), S scales.

k(x, x') = 1 + sum_j w_j x_j x'_j + b(x, x'): a constant, a linear part with a variance for each
parent, and a bent part b = sum_s a_s e^(4^s) + sum_j c_j e_j with e_j = exp(-(x_j - x'_j)^2 /
(2 l_j^2)) and e their product: S squared exponentials, each with half the lengths of the one
before, for which e is squared twice and not exponentiated again, and, where `own` is given, a
component of each parent alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

CONSTANT = 1.0  # variance of the constant, in units of the child's variance
JITTER = 1e-10  # on the diagonal, in units of the prior variance
QUIET = 1e-5  # variance of a component that no answer would show


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
