"""Noise of the training prior: families whose parameters are drawn, none of them a suite's own."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

GAUSSIAN = 0.35  # share of the plain family
SAMPLE = 4096  # draws that tell a bent family's mean and deviation


@dataclass(frozen=True)
class Shape:
    """A distribution of mean 0 and variance 1.

    Attributes:
        family: of `FAMILIES`.
        parameters: as drawn.
        draw: (shape, generator) -> draws in float64.
    """

    family: str
    parameters: tuple[float, ...]
    draw: Callable[[tuple[int, ...], Generator], Tensor]


def draw_shape(generator: Generator) -> Shape:
    """One of `FAMILIES` with parameters of its own."""
    if _uniform(0, 1, generator) < GAUSSIAN:
        return Shape("gaussian", (), _normal)
    names = [name for name in FAMILIES if name != "gaussian"]
    name = names[int(torch.randint(len(names), (1,), generator=generator))]
    return FAMILIES[name](generator)


def exponential_power(generator: Generator) -> Shape:
    """Density exp(-|u|^b): heavy tails for b below 2, light ones above (Subbotin 1923)."""
    b = _log_uniform(0.7, 8.0, generator)
    gamma = torch.lgamma(torch.tensor([3 / b, 1 / b]))
    scale = float((0.5 * (gamma[1] - gamma[0])).exp())

    def draw(shape: tuple[int, ...], g: Generator) -> Tensor:
        return scale * _sign(shape, g) * _gamma(shape, 1 / b, g) ** (1 / b)

    return Shape("exponential power", (b,), draw)


def student_t(generator: Generator) -> Shape:
    """Student's t with any degrees of freedom between 2.2 and 12."""
    df = _log_uniform(2.2, 12.0, generator)

    def draw(shape: tuple[int, ...], g: Generator) -> Tensor:
        spread = _gamma(shape, df / 2, g) / (df / 2)
        return _normal(shape, g) / spread.sqrt() * ((df - 2) / df) ** 0.5

    return Shape("student t", (df,), draw)


def gamma(generator: Generator) -> Shape:
    """Noise from a centred gamma distribution, skewed to either side."""
    k, side = _log_uniform(0.6, 8.0, generator), float(_sign((1,), generator))
    return Shape("gamma", (k, side), lambda s, g: side * (_gamma(s, k, g) - k) / k**0.5)


def sinh_arcsinh(generator: Generator) -> Shape:
    """sinh((asinh(z) + skew) / tail) of a normal z (Jones and Pewsey 2009), standardised."""
    skew, tail = _uniform(-0.8, 0.8, generator), _uniform(0.65, 1.1, generator)

    def bend(z: Tensor) -> Tensor:
        return ((z.asinh() + skew) / tail).sinh()

    sample = bend(_quantiles())
    mean, deviation = float(sample.mean()), float(sample.std())
    return Shape(
        "sinh-arcsinh", (skew, tail), lambda s, g: (bend(_normal(s, g)) - mean) / deviation
    )


def mixture(generator: Generator) -> Shape:
    """Two normals, apart by some of their deviations, with any weights."""
    gap, spread = _uniform(1.5, 6.0, generator), _log_uniform(0.4, 2.5, generator)
    return _two("mixture", _uniform(0.25, 0.75, generator), gap, spread)


def outliers(generator: Generator) -> Shape:
    """Mostly normal; a few rows have many times its deviation."""
    return _two(
        "outliers", _uniform(0.01, 0.12, generator), 0.0, _log_uniform(3.0, 12.0, generator)
    )


def _two(family: str, share: float, gap: float, spread: float) -> Shape:
    """`share` of N(gap, spread), the rest N(0, 1), standardised."""
    mean = share * gap
    variance = share * (spread**2 + gap**2) + (1 - share) - mean**2

    def draw(shape: tuple[int, ...], g: Generator) -> Tensor:
        z = _normal(shape, g)
        other = torch.rand(shape, generator=g) < share
        return (torch.where(other, gap + spread * z, z) - mean) / variance**0.5

    return Shape(family, (share, gap, spread), draw)


FAMILIES: dict[str, Callable[[Generator], Shape]] = {
    "gaussian": lambda _: Shape("gaussian", (), _normal),
    "exponential power": exponential_power,
    "student t": student_t,
    "gamma": gamma,
    "sinh-arcsinh": sinh_arcsinh,
    "mixture": mixture,
    "outliers": outliers,
}


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _sign(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0).double()


def _gamma(shape: tuple[int, ...], concentration: float, generator: Generator) -> Tensor:
    level = torch.full(shape, concentration, dtype=torch.float64)
    return torch._standard_gamma(level, generator=generator)


def _quantiles() -> Tensor:
    """Of the standard normal, evenly spaced in chance."""
    return torch.special.ndtri((torch.arange(SAMPLE).double() + 0.5) / SAMPLE)


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=generator))


def _log_uniform(low: float, high: float, generator: Generator) -> float:
    return low * (high / low) ** float(torch.rand(1, generator=generator))
