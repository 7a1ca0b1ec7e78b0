"""A line outright, whatever the shape of the noise: the plain model of a node, in closed form.

Letters as in `kernel`; K kinds of noise. Their chances are told by residuals. Where tails are heavy
every row gets a noise variance, in turn with the line: variational Bayes with normal scale mixtures
(Lange, Little and Taylor 1989 for Student's t; Park and Casella 2008 for Laplace's, whose limit is
least absolute deviations).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from condfip.amortized.shape import CERTAIN, evidence, least_variance, variances_of

ROUNDS = 8


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
        size, axes = np.linalg.eigh(self.covariance.cpu().numpy())
        # the symmetric root: the signs of the axes are a processor's own
        root = axes * np.sqrt(size.clip(min=0.0)) @ axes.T
        weights = self.weights.cpu().numpy() + root @ rng.standard_normal(len(root))
        return lambda x: weights[0] + x @ weights[1:]


def fit_line(x: Tensor, y: Tensor, penalty: Tensor) -> Line:
    """Of parents [G, N, P] (there may be none) and child [G, N], with a ridge penalty [G]."""
    ones = torch.ones_like(x[:, :, :1]) if x.shape[2] else torch.ones_like(y)[:, :, None]
    design = torch.cat([ones, x], 2)
    line = _weighted(design, y, penalty, torch.ones_like(y))
    scale = line.gap.square().mean(1, keepdim=True).clamp(min=1e-300)
    line = Line(line.weights, line.covariance * scale[:, :, None], line.gap, line.cavity * scale)
    chances = torch.softmax(evidence(line.gap, line.cavity), 1)
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
