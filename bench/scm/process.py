"""Gaussian processes with their hyper-parameters given, solved exactly or by inducing rows.

Letters: N context rows, M query rows, P parents, R rows that a process is expanded in. The kernel
is that of `bench.scm.kernel`. Algebra follows Rasmussen and Williams 2006, sections 2.2 and 8.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from bench.scm.kernel import CONSTANT, Kernel, bent_variance, factor, kernel, variance
from bench.scm.tabulated import Bumps

SILENT = 1e-6  # standard deviations of the child
BLOCK = 2**15  # kernel entries of a query held at once, so that they stay in a core's own cache


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
