"""A line outright, whatever the shape of the noise: the plain model of a node, in closed form.

Letters as in `kernel`; K kinds of noise. Their chances are told by residuals. Where tails are heavy
every row gets a noise variance, in turn with the line: variational Bayes with normal scale mixtures
(Lange, Little and Taylor 1989 for Student's t; Park and Casella 2008 for Laplace's, whose limit is
least absolute deviations).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

FREEDOMS = (3.0, 5.0, 9.0)  # of Student's t
KINDS = ("normal", "laplace", *(f"t{f:g}" for f in FREEDOMS), "mixture")
ROUNDS, SCALE_ROUNDS, MIXTURE_ROUNDS = 8, 10, 25
ORDINARY = 2.0  # nats by which normal noise is the likelier before any row is seen
CERTAIN = 0.5  # chance of light tails from which on rows count alike
STRANGE = 2.5  # standard errors of skewness or of a flat kurtosis that make a mixture worth a try
SMALLEST = 1e-6  # of the mean square


@dataclass(frozen=True)
class Line:
    """A constant and weights of the parents.

    Attributes:
        weights: [G, 1 + P].
        covariance: of the weights, [G, 1 + P, 1 + P].
        gap: residuals of left-out rows [G, N].
        cavity: the variance of F behind them [G, N].
    """

    weights: Tensor
    covariance: Tensor
    gap: Tensor
    cavity: Tensor

    def __getitem__(self, node: int) -> Self:
        """That of one node, without the first axis."""
        return type(self)(*(t[node] for t in vars(self).values()))

    def narrow(self, parents: int) -> Self:
        """Of one node, for its first parents, the others being padding."""
        p = 1 + parents
        return type(self)(self.weights[:p], self.covariance[:p, :p], self.gap, self.cavity)

    def mean(self, here: Tensor) -> Tensor:
        """Of one node at parents [M, P]: [M]."""
        return self.weights[0] + here @ self.weights[1:]

    def variance(self, here: Tensor) -> Tensor:
        """Of one node at parents [M, P]: [M]."""
        design = torch.cat([torch.ones_like(here[:, :1]), here], 1)
        return (design @ self.covariance * design).sum(1)

    def draw(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Of one node: a line of the posterior, parents [M, P] -> [M]."""
        weights = rng.multivariate_normal(self.weights.cpu().numpy(), self.covariance.cpu().numpy())
        return lambda x: weights[0] + x @ weights[1:]


def fit_line(x: Tensor, y: Tensor, penalty: Tensor) -> Line:
    """Of parents [G, N, P] (there may be none) and child [G, N], with a ridge penalty [G]."""
    ones = torch.ones_like(x[:, :, :1]) if x.shape[2] else torch.ones_like(y)[:, :, None]
    design = torch.cat([ones, x], 2)
    line = _weighted(design, y, penalty, torch.ones_like(y))
    scale = line.gap.square().mean(1, keepdim=True).clamp(min=1e-300)
    line = Line(line.weights, line.covariance * scale[:, :, None], line.gap, line.cavity * scale)
    chances = torch.softmax(evidence(line.gap), 1)
    odd = (chances[:, 0] + chances[:, -1] <= CERTAIN).nonzero().flatten()
    if not len(odd):
        return line
    some, told = (design[odd], y[odd], penalty[odd]), chances[odd, :-1]
    told = told / told.sum(1, keepdim=True)
    robust = Line(*(t[odd] for t in vars(line).values()))
    for _ in range(ROUNDS):
        rest = some[1] - (some[0] @ robust.weights[:, :, None]).squeeze(2)
        spread = (some[0] @ robust.covariance * some[0]).sum(2)
        robust = _weighted(*some, variances_of(rest, spread, told))
    alike = torch.linalg.inv(some[0].mT @ some[0] + _ridge(*some[::2]))
    best = alike * least_variance(rest, told)[:, :, None]
    cavity = (some[0] @ best * some[0]).sum(2)
    robust = _levelled(some[0], some[1], replace(robust, covariance=best, cavity=cavity))
    pairs = zip(vars(line).values(), vars(robust).values(), strict=True)
    return Line(*(whole.index_copy(0, odd, part) for whole, part in pairs))


def _levelled(design: Tensor, y: Tensor, line: Line) -> Line:
    """With residuals of mean 0, as noise has, where their mean is beyond two standard errors.

    Such noise is skewed, and the level that suits heavy tails is not its mean; the more so, the
    more the mean counts, as James and Stein (1961) shrink.
    """
    rest = y - (design @ line.weights[:, :, None]).squeeze(2)
    mean, error = rest.mean(1), rest.std(1) / rest.shape[1] ** 0.5
    offset = mean * (1 - (2 * error / mean.abs().clamp(min=1e-300)).square()).clamp(min=0)
    weights = torch.cat([line.weights[:, :1] + offset[:, None], line.weights[:, 1:]], 1)
    return Line(weights, line.covariance, line.gap - offset[:, None], line.cavity)


def _weighted(design: Tensor, y: Tensor, penalty: Tensor, variance: Tensor) -> Line:
    """The line under the rows' noise variances [G, N]."""
    scaled = design / variance[:, :, None]
    ridge = _ridge(design, (1 / variance).mean(1) * penalty)
    covariance = torch.linalg.inv(scaled.mT @ design + ridge)
    weights = (covariance @ (scaled.mT @ y[:, :, None])).squeeze(2)
    spread = (design @ covariance * design).sum(2)
    leverage = (spread / variance).clamp(max=0.95)
    rest = y - (design @ weights[:, :, None]).squeeze(2)
    return Line(weights, covariance, rest / (1 - leverage), spread / (1 - leverage))


def _ridge(design: Tensor, penalty: Tensor) -> Tensor:
    """A penalty [G] on all weights but the constant, [G, 1 + P, 1 + P]."""
    ridge = torch.diag_embed(penalty[:, None].expand(-1, design.shape[2]).clone())
    ridge[:, 0, 0] = 0
    return ridge


def least_variance(rest: Tensor, chances: Tensor) -> Tensor:
    """One over the Fisher information that a row has of its own mean, [G, 1].

    Args:
        rest: residuals [G, N]. chances: of `KINDS` but the mixture [G, K - 1].
    """
    square = rest.square()
    parts = [1 / square.mean(1, keepdim=True), 1 / rest.abs().mean(1, keepdim=True).square()]
    parts += [(f + 1) / (f + 3) / _student_scale(square, f) for f in FREEDOMS]
    return 1 / (torch.cat(parts, 1) * chances).sum(1, keepdim=True)


def evidence(rest: Tensor) -> Tensor:
    """Log evidence of residuals [G, N] for each of `KINDS`, at its best scale, [G, K].

    That of the mixture is less its further parameters' share (Schwarz 1978).
    """
    rest = rest - rest.mean(1, keepdim=True)
    n, square = rest.shape[1], rest.square().clamp(min=1e-300)
    normal = ORDINARY - 0.5 * n * ((2 * math.pi * square.mean(1)).log() + 1)
    laplace = -n * ((2 * rest.abs().mean(1)).clamp(min=1e-300).log() + 1)
    heavy = [_student(square, f) for f in FREEDOMS]
    return torch.stack([normal, laplace, *heavy, _mixture_evidence(rest)], 1)


def _student(square: Tensor, freedom: float) -> Tensor:
    scale = _student_scale(square, freedom)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    constant -= 0.5 * math.log(freedom * math.pi)
    tail = torch.log1p(square / (freedom * scale)) * (freedom + 1) / 2
    return (constant - 0.5 * scale.log() - tail).sum(1)


def _student_scale(square: Tensor, freedom: float) -> Tensor:
    """Squared scale with the greatest likelihood, [G, 1]."""
    scale = square.mean(1, keepdim=True) * (freedom - 2) / freedom
    for _ in range(SCALE_ROUNDS):
        weight = (freedom + 1) / (freedom * scale + square)
        scale = (weight * square).mean(1, keepdim=True)
    return scale


def _mixture_evidence(rest: Tensor) -> Tensor:
    n = rest.shape[1]
    unit = rest / rest.square().mean(1, keepdim=True).sqrt().clamp(min=1e-150)
    skew, flat = (unit**3).mean(1).abs() / (6 / n) ** 0.5, (3 - (unit**4).mean(1)) / (24 / n) ** 0.5
    answer = torch.full_like(rest[:, 0], -torch.inf)
    odd = ((skew > STRANGE) | (flat > STRANGE)).nonzero().flatten()
    if len(odd):
        density = _log_parts(rest[odd], *_mixture(rest[odd])).logsumexp(2).sum(1)
        answer[odd] = density - 1.5 * math.log(n)
    return answer


def _mixture(rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and variances of two normals, by EM from the two halves, [G, 1, 2] each."""
    middle, whole = rest.quantile(0.5, dim=1, keepdim=True), rest.var(1)[:, None, None]
    part = torch.stack([(rest <= middle).to(rest), (rest > middle).to(rest)], 2)
    for _ in range(MIXTURE_ROUNDS):
        count = part.sum(1, keepdim=True).clamp(min=1e-6)
        mean = (part * rest[:, :, None]).sum(1, keepdim=True) / count
        square = (part * (rest[:, :, None] - mean).square()).sum(1, keepdim=True)
        variance = (square + 1e-2 * whole) / (count + 1)
        weight = count / count.sum(2, keepdim=True)
        part = torch.softmax(_log_parts(rest, weight, mean, variance), 2)
    return weight, mean, variance


def _log_parts(rest: Tensor, weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    square = (rest[:, :, None] - mean).square() / variance
    return weight.log() - 0.5 * ((2 * math.pi * variance).log() + square)


def variances_of(rest: Tensor, spread: Tensor, chances: Tensor) -> Tensor:
    """Each row's noise variance, [G, N].

    Args:
        rest: residuals [G, N]. spread: variance of F in them [G, N]. chances: of `KINDS` but the
            mixture [G, K - 1].
    """
    square = rest.square() + spread
    mean = square.mean(1, keepdim=True).clamp(min=1e-300)
    square = square + SMALLEST * mean
    size = square.sqrt()
    parts = [1 / mean.expand_as(square), 1 / (size * size.mean(1, keepdim=True))]
    for f in FREEDOMS:
        parts.append((f + 1) / (f * _student_scale(square, f) + square))
    return 1 / (torch.stack(parts, 2) * chances[:, None]).sum(2)
