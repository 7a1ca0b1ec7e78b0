"""Expectation propagation: posterior means under Laplace noise and bounded priors of weights.

Every factor of the posterior that is no Gaussian is replaced by one that gives the same mean and
variance when it is put back among the others (Minka 2001; Rasmussen and Williams 2006, section
3.6; for Laplace factors Seeger 2008). All factors are updated at once, damped, in float64.
"""

from collections.abc import Callable
from math import log, pi

import numpy as np
import torch
from torch import Tensor
from torch.special import log_ndtr

STEPS, DAMPING = 200, 0.7
TOLERANCE = 1e-3  # of a step, in posterior standard deviations of a factor's argument

Moments = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # of a cavity: means and variances


def propagate(
    posterior: Moments, tilted: Moments, precision: Tensor, pull: Tensor
) -> tuple[Tensor, Tensor, bool]:
    """Matches K Gaussian factors exp(pull s - precision s^2 / 2) to the true ones.

    Args:
        posterior: precisions, pulls [K] -> means and variances of the factors' arguments.
        tilted: means and variances [K] of the cavities -> those of cavity times true factor.
        precision, pull: where to start.

    Returns:
        Precisions and pulls, and whether they have settled.
    """
    mean, variance = posterior(precision, pull)
    for _ in range(STEPS):
        centre, width, proper = cavity(mean, variance, precision, pull)
        new_mean, new_variance = tilted(centre, width)
        rate = torch.where(proper, DAMPING, 0.0)
        precision = precision + rate * (1 / new_variance - 1 / width - precision)
        pull = pull + rate * (new_mean / new_variance - centre / width - pull)
        before, (mean, variance) = (mean, variance), posterior(precision, pull)
        moved = (mean - before[0]).abs() / variance.sqrt() + (variance / before[1]).log().abs()
        if bool(proper.all()) and float(moved.max()) < TOLERANCE:
            return precision, pull, True
    return precision, pull, False


def cavity(
    mean: Tensor, variance: Tensor, precision: Tensor, pull: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Means and variances [K] without each factor's own part, and whether that is a Gaussian."""
    left = 1 / variance - precision
    proper = left > 1e-10 / variance
    width = 1 / torch.where(proper, left, 1.0)
    return width * (mean / variance - pull), width, proper


def laplace_moments(centre: Tensor, width: Tensor, at: Tensor, scale: float) -> tuple:
    """Mean and variance of N(s; centre, width) exp(-|s - at| / scale), all [K]."""
    deviation, offset = width.sqrt(), centre - at
    sides = [_half(side * offset - width / scale, deviation, side) for side in (1.0, -1.0)]
    logs = torch.stack([mass - side * offset / scale for mass, _, _, side in sides])
    weight = logs.softmax(0)
    means = torch.stack([mean for _, mean, _, _ in sides])
    mean = (weight * means).sum(0)
    spread = torch.stack([variance for _, _, variance, _ in sides]) + (means - mean).square()
    return at + mean, (weight * spread).sum(0)


def _half(centre: Tensor, deviation: Tensor, side: float) -> tuple:
    """N(centre, deviation^2) kept above 0, mirrored by `side`: log mass, mean, variance, side."""
    below = -centre / deviation
    mass = log_ndtr(-below)
    hazard = torch.exp(-(below.square()) / 2 - log(2 * pi) / 2 - mass)
    shrink = (1 - hazard * (hazard - below)).clamp(min=1e-12)
    return mass, side * (centre + deviation * hazard), deviation.square() * shrink, side


NODES, WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(96))
REACH = 12.0  # standard deviations beyond which a Gaussian counts for nothing


def bounded_moments(centre: Tensor, width: Tensor, low: Tensor, high: Tensor) -> tuple:
    """Mean and variance of N(s; centre, width) where low <= |s| <= high, all [K]."""
    s, mass = _bounded(centre, width, low, high)
    mean = (mass * s).sum((1, 2))
    return mean, (mass * (s - mean[:, None, None]).square()).sum((1, 2))


def open_signs(centre: Tensor, width: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The probability [K] of the rarer sign under the same density."""
    return _bounded(centre, width, low, high)[1].sum(2).amin(1)


def _bounded(centre: Tensor, width: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Points of a quadrature on both sides and their probabilities, [K, 2, 96]."""
    deviation = width.sqrt()[:, None, None]
    ends = torch.stack([torch.stack([low, high], 1), torch.stack([-high, -low], 1)], 1)  # [K, 2, 2]
    peak = centre[:, None, None].clamp(ends[..., :1], ends[..., 1:])
    begin = torch.maximum(ends[..., :1], peak - REACH * deviation)
    end = torch.minimum(ends[..., 1:], peak + REACH * deviation)
    s = begin + (end - begin) * (NODES + 1) / 2  # [K, 2, 96]
    logs = -((s - centre[:, None, None]) / deviation).square() / 2
    mass = torch.exp(logs - logs.amax((1, 2), keepdim=True)) * WEIGHTS * (end - begin)
    return s, mass / mass.sum((1, 2), keepdim=True)
