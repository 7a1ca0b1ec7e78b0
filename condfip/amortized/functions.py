"""Functions of parents to train on: smooth, rough, bent, of one parent, of products, of networks.

Letters: B tasks, N rows, P parents, W hidden units.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Generator, Tensor

from condfip.amortized.noise import student_t

T = TypeVar("T")

FEATURES = 64
LENGTHS = (0.3, 12.0)  # in standard deviations, log-uniform, times sqrt(P)


def level(x: Tensor) -> Tensor:
    """A smooth bend: straight, then flat on both sides."""
    return x / (1 + x.square()).sqrt()


def hinge(x: Tensor) -> Tensor:
    """A smooth bend: flat, then straight."""
    return x + (1 + x.square()).sqrt()


def hill(x: Tensor) -> Tensor:
    """A bend that goes up, and down again for good."""
    return 1 / (1 + x.square())


BENDS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x,
    lambda x: x,
    level,
    hinge,
    lambda x: torch.sinh(x.clamp(-4, 4)),
    lambda x: x * x.abs(),
)


def draw_function(x: Tensor, context: int, generator: Generator) -> Tensor:
    """A drawn function, sometimes plus a linear one that may outweigh it by far, [B, N]."""
    f = unit(pick(tuple(FUNCTIONS.values()), generator)(x, generator), context)
    if chance(generator) < 0.5:
        line = unit(linear(x, generator), context)
        if chance(generator) < 0.5:
            return line + log_uniform((len(x), 1), 0.01, 0.5, generator) * f
        angle = math.pi / 2 * chance(generator)
        f = math.cos(angle) * f + math.sin(angle) * line
    return f


def linear(x: Tensor, generator: Generator) -> Tensor:
    """A linear function whose weights may have any size."""
    return (x @ normal((x.shape[0], x.shape[2], 1), generator)).squeeze(2)


def smooth(x: Tensor, generator: Generator) -> Tensor:
    """A Gaussian process draw, squared-exponential, a length for each parent."""
    return _features(x, normal((x.shape[0], x.shape[2], FEATURES), generator), generator)


def rough(x: Tensor, generator: Generator) -> Tensor:
    """The same with Student-t frequencies: a Matern kernel."""
    omega = student_t(generator).draw((x.shape[0], x.shape[2], FEATURES), generator)
    return _features(x, omega, generator)


def _features(x: Tensor, omega: Tensor, generator: Generator) -> Tensor:
    b, _, p = x.shape
    length = log_uniform((b, 1), *LENGTHS, generator) * p**0.5
    if chance(generator) < 0.7:
        length = length * log_uniform((b, p), 0.4, 2.5, generator)
    phase = 2 * math.pi * torch.rand(b, 1, FEATURES, generator=generator, dtype=torch.float64)
    wave = torch.cos(x @ (omega / length[:, :, None]) + phase)
    return (wave @ normal((b, FEATURES, 1), generator)).squeeze(2)


def network(x: Tensor, generator: Generator) -> Tensor:
    """A small network with random weights."""
    b, _, p = x.shape
    width = pick((3, 10, 30), generator)
    hidden = x @ (normal((b, p, width), generator) * 1.5 / p**0.5)
    hidden = hidden + normal((b, 1, width), generator)
    bend = pick((level, hinge, torch.relu), generator)
    return (bend(hidden) @ normal((b, width, 1), generator)).squeeze(2)


def bent_line(x: Tensor, generator: Generator) -> Tensor:
    """A linear combination that goes on, saturates or returns."""
    b = x.shape[0]
    line = linear(x, generator) / x.shape[2] ** 0.5
    steep = log_uniform((b, 1), 0.3, 4.0, generator)
    return pick((level, hinge, hill), generator)(steep * line + normal((b, 1), generator))


def product(x: Tensor, generator: Generator) -> Tensor:
    """A product of two linear combinations."""
    return linear(x, generator) * (linear(x, generator) + normal((x.shape[0], 1), generator))


def additive(x: Tensor, generator: Generator) -> Tensor:
    """A sum of functions of one parent each."""
    b, _, p = x.shape
    bends: list[Callable[[Tensor], Tensor]] = [torch.sin, level, torch.square, torch.relu]
    bend = pick([*bends, hinge, hill], generator)
    steep = log_uniform((b, 1, p), 0.3, 4.0, generator)
    return linear(bend(steep * x + normal((b, 1, p), generator)), generator)


FUNCTIONS = {
    "linear": linear,
    "smooth": smooth,
    "smooth again": smooth,
    "rough": rough,
    "network": network,
    "bent line": bent_line,
    "product": product,
    "additive": additive,
    "additive again": additive,
}


def unit(x: Tensor, context: int) -> Tensor:
    """Rows [B, N, ...] whose context has mean 0 and standard deviation 1."""
    here = x[:, :context]
    scale = here.std(1, keepdim=True).clamp(min=1e-6)
    return (x - here.mean(1, keepdim=True)) / scale


def chance(generator: Generator) -> float:
    """A number drawn uniformly from 0 to 1."""
    return float(torch.rand(1, generator=generator))


def pick(options: Sequence[T], generator: Generator) -> T:
    """One of some options, each as likely."""
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draws from N(0, 1), in 64 bits."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def log_uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Draws whose logarithm is uniform, in 64 bits."""
    return low * (high / low) ** torch.rand(shape, generator=generator, dtype=torch.float64)
