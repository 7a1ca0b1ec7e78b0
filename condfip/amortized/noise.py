"""Noise of the broad prior: what `bench.scm.noise` has, and skewed kinds of our own."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from bench.scm.noise import NOISES, UnitNoise, mixture, student_t


def exponential() -> UnitNoise:
    """Exponential of mean 1, centred; its sign is drawn for each call."""
    return _skewed(lambda z: -torch.special.log_ndtr(-z), 1.0)


def softplus_normal() -> UnitNoise:
    """softplus(1.8 z), centred and of unit variance, as CSuite bends its noise."""
    return _skewed(lambda z: torch.nn.functional.softplus(1.8 * z) / 0.972, 1.0)


def log_normal() -> UnitNoise:
    """exp(0.8 z), centred and of unit variance."""
    return _skewed(lambda z: torch.exp(0.8 * z) / 1.306, 1.0)


def _skewed(bend: Callable[[Tensor], Tensor], variance: float) -> UnitNoise:
    centre = bend(torch.linspace(-5, 5, 2001).double())
    weight = (-0.5 * torch.linspace(-5, 5, 2001).double().square()).exp()
    mean = float((centre * weight).sum() / weight.sum())

    def draw(shape: tuple[int, ...], generator: Generator) -> Tensor:
        sign = 1 if torch.rand(1, generator=generator) < 0.5 else -1
        return sign * (bend(torch.randn(shape, generator=generator)) - mean)

    return UnitNoise(draw, variance)


BROAD_NOISES = (
    *([NOISES["gaussian"]] * 5),
    NOISES["laplace"],
    NOISES["laplace"],
    NOISES["uniform"],
    lambda: student_t(3),
    lambda: student_t(5),
    exponential,
    exponential,
    softplus_normal,
    log_normal,
    lambda: mixture(2.0, 1.0, 1.0),
    lambda: mixture(5.0, 1.0, 2.0),
    lambda: mixture(2.0, 2.0, 1.0),
)
