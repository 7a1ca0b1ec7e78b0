"""Noise distributions: unit draws times a scale for each node.

`scale` is what the Lorch prior calls scale: the standard deviation of a Gaussian, the Laplace
scale b (whose standard deviation is sqrt(2) b), and a plain factor on the others' unit draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class UnitNoise:
    """One distribution of noise, at scale 1.

    Attributes:
        draw: (shape, generator) -> float32 draws of mean 0.
        variance: of the draws.
    """

    draw: Callable[[Shape, Generator], Tensor]
    variance: float


@dataclass(frozen=True)
class Noise:
    """Independent noise of every node: `kind` of `NOISES` times `scale` [B, D]."""

    kind: UnitNoise
    scale: Tensor

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Draws [B, N, D] in the scale's dtype."""
        batch, d = self.scale.shape
        draws = self.kind.draw((batch, n, d), generator)
        return draws.to(self.scale.dtype) * self.scale[:, None, :]

    @property
    def variance(self) -> Tensor:
        """The variance of each node's noise, [B, D]."""
        return self.kind.variance * self.scale**2


def _normal(shape: Shape, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _uniform(shape: Shape, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _laplace(shape: Shape, generator: Generator) -> Tensor:
    centred = _uniform(shape, generator) - 0.5
    return -centred.sign() * torch.log1p(-(2 * centred.abs()).clamp(max=1 - 2**-24))


def gaussian() -> UnitNoise:
    """Noise from N(0, 1)."""
    return UnitNoise(_normal, 1.0)


def laplace() -> UnitNoise:
    """Noise from the Laplace distribution of scale 1, whose variance is 2."""
    return UnitNoise(_laplace, 2.0)


def uniform() -> UnitNoise:
    """Noise that is uniform with mean 0 and variance 1."""
    return UnitNoise(lambda shape, g: 12**0.5 * (_uniform(shape, g) - 0.5), 1.0)


def student_t(df: int = 5) -> UnitNoise:
    """Student's t with a whole number of degrees of freedom, at least 3."""

    def draw(shape: Shape, generator: Generator) -> Tensor:
        chi2 = _normal((*shape, df), generator).square().sum(-1)
        return _normal(shape, generator) / (chi2 / df).sqrt()

    return UnitNoise(draw, df / (df - 2))


def mixture(m: float = 2.0, s1: float = 1.0, s2: float = 1.0) -> UnitNoise:
    """Equal mixture of N(-m, s1) and N(m, s2), s standard deviations."""

    def draw(shape: Shape, generator: Generator) -> Tensor:
        first = _uniform(shape, generator) < 0.5
        normal = _normal(shape, generator)
        return torch.where(first, s1 * normal - m, s2 * normal + m)

    return UnitNoise(draw, m**2 + (s1**2 + s2**2) / 2)


NOISES: dict[str, Callable[..., UnitNoise]] = {
    "gaussian": gaussian,
    "laplace": laplace,
    "uniform": uniform,
    "student_t": student_t,
    "mixture": mixture,
}
