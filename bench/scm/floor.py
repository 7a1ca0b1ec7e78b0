"""The posterior mean of every F_i under the prior its SCM was drawn from, given the true noise.

For linear mechanisms the prior is the uniform one of the weights and the bias; for random features
it is the Gaussian process they approximate, with the node's true length and output scale
(Rasmussen and Williams 2006, chapter 2). Gaussian and Laplace noise enter with their own density,
other noise with its variance alone. Nothing has a lower expected squared error of `noise`, so there
this is a floor, except for features that nodes share and for other noise (see `bounds`). Means put
into a chain of nonlinear mechanisms bound no other verb.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.scm.batched import BatchedSCM
from bench.scm.mechanisms import Draw, Linear, RandomFeatures
from bench.scm.noise import gaussian, laplace
from bench.scm.propagation import (
    Moments,
    bounded_moments,
    cavity,
    laplace_moments,
    open_signs,
    propagate,
)

OPEN = 0.002  # probability of a weight's rarer sign from which draws are asked
DRAWS, WIDER, FEWEST_KEPT = 2**17, 1.2, 400  # FEWEST_KEPT: their effective number


def bounds(scm: BatchedSCM, draw: Draw) -> tuple[str, ...]:
    """The metrics that no method can beat in expectation: `noise`, or none."""
    shared = draw.shared and isinstance(scm.mechanism, RandomFeatures)
    known = scm.noise_model.kind in (gaussian(), laplace())
    return ("noise",) if known and not shared else ()


class Floor:
    """F of a batch-of-one `scm` as its context [N, D] and its prior `draw` tell it.

    Called with (x [N, D], nodes), answers the posterior means [N, len(nodes)].

    Attributes:
        noise_variance: of each node, [D].
        unsettled: numbers of the nodes whose posterior mean was not found.
    """

    def __init__(self, scm: BatchedSCM, draw: Draw, context: np.ndarray) -> None:
        self.noise_variance = scm.noise_model.variance[0].double().numpy()
        self.parents = [np.flatnonzero(column) for column in scm.adjacency[0].numpy().T]
        rows, heavy = torch.from_numpy(context), scm.noise_model.kind == laplace()
        posterior = POSTERIORS[type(scm.mechanism)]
        self.nodes = [
            posterior(scm.mechanism, draw, Observed(j, rows[:, pa], rows[:, j], variance, heavy))
            for j, (pa, variance) in enumerate(zip(self.parents, self.noise_variance, strict=True))
        ]
        self.unsettled = [j for j, node in enumerate(self.nodes) if not node.settled]

    def __call__(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Posterior means of F of `nodes`."""
        rows = torch.from_numpy(x)
        return np.column_stack([self.nodes[j](rows[:, self.parents[j]]).numpy() for j in nodes])


@dataclass(frozen=True)
class Observed:
    """What the context says of one node.

    Attributes:
        node: its number.
        x: parents [N, P].
        y: the node [N].
        variance: of its noise.
        heavy: whether that is Laplace.
    """

    node: int
    x: Tensor
    y: Tensor
    variance: float
    heavy: bool

    def likelihood(self, at: Tensor, centre: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances of N(s; centre, width) times the noise's density at `at` - s, [N]."""
        if self.heavy:
            return laplace_moments(centre, width, at, (self.variance / 2) ** 0.5)
        variance = 1 / (1 / width + 1 / self.variance)
        return variance * (centre / width + at / self.variance), variance

    def log_density(self, noise: Tensor) -> Tensor:
        """The log density of the noise, but for a constant."""
        if self.heavy:
            return -noise.abs() / (self.variance / 2) ** 0.5
        return -noise.square() / (2 * self.variance)


class LinearPosterior:
    """Weights and bias, uniform in low <= |w| <= high a priori.

    It starts at ridge regression with the prior's second moments, as one least-squares problem; its
    triangular factor whitens what follows, which so forms no products of ill-conditioned columns.
    """

    def __init__(self, _: Linear, draw: Draw, seen: Observed) -> None:
        ranges = [draw.ranges.weight] * seen.x.shape[1] + [(0.0, draw.ranges.bias[1])]
        self.low, self.high = draw.stretch * torch.tensor(ranges, dtype=torch.float64).T
        spread = ((self.low**2 + self.low * self.high + self.high**2) / 3).sqrt()
        design, deviation = _with_ones(seen.x), seen.variance**0.5
        q, r = torch.linalg.qr(torch.cat([design / deviation, torch.diag(1 / spread)]))
        self.start = _back(r, q[: len(design)].T @ seen.y / deviation)
        self.seen, self.residual = seen, seen.y - design @ self.start
        unit = torch.cat([torch.full_like(seen.y, deviation), spread])
        factors, pull = (
            Factors(unit[:, None] * q),
            torch.cat([self.residual, -self.start]) / unit**2,
        )
        z, (centre, width, _), self.settled = factors.mean(self._moments, 1 / unit**2, pull)
        self.weights = self.start + _back(r, z)
        n = len(design)
        signs = open_signs(centre[n:] + self.start, width[n:], self.low, self.high)
        if not self.settled or bool((signs[:-1] > OPEN).any()):
            self._sample(design)

    def _sample(self, design: Tensor) -> None:
        """Weights by importance sampling from least squares, where that gives enough draws."""
        if len(design) < design.shape[1]:
            return
        q, r = torch.linalg.qr(design / self.seen.variance**0.5)
        z = torch.randn(len(r), DRAWS, generator=torch.Generator().manual_seed(0)).double()
        z = WIDER * z
        best = _back(r, q.T @ self.seen.y / self.seen.variance**0.5)
        weights = best[:, None] + torch.linalg.solve_triangular(r, z, upper=True)
        size = weights.abs()
        kept = ((size >= self.low[:, None]) & (size <= self.high[:, None])).all(0)
        weights, log = weights[:, kept], (z[:, kept] / WIDER).square().sum(0) / 2
        for x, y in zip(design, self.seen.y, strict=True):
            log = log + self.seen.log_density(y - x @ weights)
        mass = log.softmax(0)
        if len(log) and float(1 / mass.square().sum()) > FEWEST_KEPT:
            self.weights, self.settled = weights @ mass, True

    def _moments(self, centre: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """Of the rows' factors and then the weights', whose arguments count from the start."""
        n, start = len(self.residual), self.start
        rows = self.seen.likelihood(self.residual, centre[:n], width[:n])
        mean, variance = bounded_moments(centre[n:] + start, width[n:], self.low, self.high)
        return torch.cat([rows[0], mean - start]), torch.cat([rows[1], variance])

    def __call__(self, x: Tensor) -> Tensor:
        """F at parents x [N, P]."""
        return _with_ones(x) @ self.weights


class Factors:
    """Gaussian factors of the projections s = a z of few weights z with prior precision.

    Args:
        projections: a, [K, P]. prior: precision of every weight.
    """

    def __init__(self, projections: Tensor, prior: float = 0.0) -> None:
        self.a, self.prior = projections, prior * torch.eye(projections.shape[1]).double()

    def mean(self, moments: Moments, precision: Tensor, pull: Tensor) -> tuple[Tensor, tuple, bool]:
        """The posterior mean of z for factors of which `moments` tells; see `propagate`.

        Returns:
            The mean, the factors' cavities, and whether it has settled.
        """
        precision, pull, settled = propagate(self._marginals, moments, precision, pull)
        left = cavity(*self._marginals(precision, pull), precision, pull)
        return self._solve(precision, pull)[0], left, settled

    def _solve(self, precision: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        covariance = torch.linalg.inv(self.prior + self.a.T @ (precision[:, None] * self.a))
        return covariance @ (self.a.T @ pull), covariance

    def _marginals(self, precision: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        mean, covariance = self._solve(precision, pull)
        return self.a @ mean, ((self.a @ covariance) * self.a).sum(1)


class KernelPosterior:
    """A Gaussian process with the node's own length and scale, plus the bias's second moment."""

    def __init__(self, truth: RandomFeatures, draw: Draw, seen: Observed) -> None:
        self.x, self.length = seen.x, float(truth.length[seen.node])
        self.variance = float(truth.scale[seen.node]) ** 2
        self.bias = draw.stretch**2 * draw.ranges.bias_moment()
        self.settled, known = True, torch.full_like(seen.y, 1 / seen.variance)
        prior = self._kernel(seen.x)
        if seen.heavy:
            marginals, moments = partial(_marginals, prior), partial(seen.likelihood, seen.y)
            *factors, self.settled = propagate(marginals, moments, known, known * seen.y)
            self.dual = _posterior(prior, *factors)[0]
        else:
            root = torch.linalg.cholesky(prior + torch.diag(1 / known))
            self.dual = torch.cholesky_solve(seen.y[:, None], root)[:, 0]

    def _kernel(self, x: Tensor) -> Tensor:
        here, there = x / self.length, self.x / self.length
        distance = torch.cdist(here, there, compute_mode="donot_use_mm_for_euclid_dist")
        return self.variance * torch.exp(-distance.square() / 2) + self.bias

    def __call__(self, x: Tensor) -> Tensor:
        """F at parents x [N, P]."""
        return self._kernel(x) @ self.dual


def _posterior(
    prior: Tensor, precision: Tensor, pull: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A Gaussian process under Gaussian factors of its rows (ibid., section 3.6.3).

    Returns:
        Dual weights, whose product with the kernel is the mean; means and variances at the rows.
    """
    root = precision.clamp(min=1e-12 * float(precision.max())).sqrt()
    scaled = root[:, None] * prior
    lower = torch.linalg.cholesky(torch.eye(len(root)).double() + scaled * root)
    dual = root * torch.cholesky_solve((pull / root)[:, None], lower)[:, 0]
    half = torch.linalg.solve_triangular(lower, scaled, upper=False)
    return dual, (prior @ dual, prior.diagonal() - half.square().sum(0))


def _marginals(prior: Tensor, precision: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
    return _posterior(prior, precision, pull)[1]


class ConstantPosterior:
    """The constant of a root: its features' and its bias's, normal a priori."""

    def __init__(self, truth: RandomFeatures, draw: Draw, seen: Observed) -> None:
        variance = float(truth.scale[seen.node]) ** 2 + draw.stretch**2 * draw.ranges.bias_moment()
        known = torch.full_like(seen.y, 1 / seen.variance)
        factors = Factors(torch.ones_like(seen.y)[:, None], prior=1 / variance)
        moments = partial(seen.likelihood, seen.y)
        self.value, _, self.settled = factors.mean(moments, known, known * seen.y)

    def __call__(self, x: Tensor) -> Tensor:
        """F at rows x [N, 0]."""
        return self.value.expand(len(x))


def _feature_posterior(
    truth: RandomFeatures, draw: Draw, seen: Observed
) -> KernelPosterior | ConstantPosterior:
    kind = KernelPosterior if seen.x.shape[1] else ConstantPosterior
    return kind(truth, draw, seen)


def _with_ones(x: Tensor) -> Tensor:
    return torch.column_stack([x, torch.ones(len(x)).to(x)])


def _back(triangular: Tensor, y: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(triangular, y[:, None], upper=True)[:, 0]


POSTERIORS: dict[type, Callable[..., Any]] = {
    Linear: LinearPosterior,
    RandomFeatures: _feature_posterior,
}
