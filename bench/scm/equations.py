"""SCMs given by closed-form equations: x_j = f_j(parents) + scale_j g_j(z_j), in float64.

Published equations name noises z that may enter their own term non-linearly. The verbs answer in
additive noise: u_j is that term less its mean, which F_j takes up, so that x = F(x) + u.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.random import Generator

from bench.scm.base import SCM

STEP, REACH = 0.01, 14.0  # of the trapezoidal rule, in standard deviations


class Draws(Protocol):
    """A distribution of mean 0 that a noise is drawn from."""

    @property
    def variance(self) -> float:
        """The variance of one draw."""

    def __call__(self, rng: Generator, n: int) -> np.ndarray:
        """Independent draws, [n]."""


@dataclass(frozen=True)
class Gaussians:
    """Equal mixture of normals; components are pairs (mean, standard deviation)."""

    components: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    def __call__(self, rng: Generator, n: int) -> np.ndarray:
        """See `Draws`."""
        mean, deviation = np.array(self.components).T
        which = rng.integers(len(mean), size=n)
        return mean[which] + deviation[which] * rng.standard_normal(n)

    @property
    def variance(self) -> float:
        """See `Draws`."""
        return self.expectation(np.square)

    def expectation(self, g: Callable[[np.ndarray], np.ndarray]) -> float:
        """E g(z) by the trapezoidal rule.

        For g analytic near the line and at most of polynomial growth its error falls exponentially
        in 1 / STEP (Trefethen and Weideman 2014); here it is that of rounding.
        """
        grid = np.arange(-REACH, REACH + STEP / 2, STEP)
        weight = STEP * np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
        return float(np.mean([weight @ g(m + s * grid) for m, s in self.components]))


@dataclass(frozen=True)
class Laplace:
    """The Laplace distribution of scale 1, whose variance is 2."""

    variance: float = 2.0

    def __call__(self, rng: Generator, n: int) -> np.ndarray:
        """See `Draws`."""
        return rng.laplace(size=n)


@dataclass(frozen=True)
class Exponential:
    """Exponential of rate 1, less its mean 1."""

    variance: float = 1.0

    def __call__(self, rng: Generator, n: int) -> np.ndarray:
        """See `Draws`."""
        return rng.standard_exponential(n) - 1


@dataclass(frozen=True)
class StudentT:
    """Student's t with 3 degrees of freedom."""

    variance: float = 3.0

    def __call__(self, rng: Generator, n: int) -> np.ndarray:
        """See `Draws`."""
        return rng.standard_t(3, size=n)


@dataclass(frozen=True)
class Equation:
    """x = rule(parents) + scale * term(z).

    Attributes:
        z: the distribution of the published noise.
        rule: one column [N] a parent -> [N], or a number where there is no parent.
        parents: node numbers, each below the node's own.
        scale: of the noise.
        term: how z enters, None as it is; other terms need `Gaussians`.
    """

    z: Draws
    rule: Callable[..., np.ndarray | float]
    parents: tuple[int, ...] = ()
    scale: float = 1.0
    term: Callable[[np.ndarray], np.ndarray] | None = None

    def mechanism(self, x: np.ndarray) -> np.ndarray | float:
        """F at rows x [N, D]: the rule and the mean of the noise's term."""
        return self.rule(*(x[:, j] for j in self.parents)) + self.scale * self._moments[0]

    def noise(self, z: np.ndarray) -> np.ndarray:
        """The additive noise u, of mean 0, that the published noise z makes."""
        return self.scale * ((self.term(z) if self.term else z) - self._moments[0])

    @property
    def deviation(self) -> float:
        """Standard deviation of the equation's additive noise u."""
        return self.scale * self._moments[1] ** 0.5

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """Mean and variance of the term."""
        if self.term is None:
            return 0.0, self.z.variance
        term, z = self.term, self.z
        assert isinstance(z, Gaussians)
        mean = z.expectation(term)
        return mean, z.expectation(lambda z: (term(z) - mean) ** 2)


class EquationSCM(SCM):
    """The five verbs over nodes given by equations, parents before children."""

    def __init__(self, names: Sequence[str], equations: Sequence[Equation]) -> None:
        super().__init__(names)
        self.equations = tuple(equations)

    @property
    def adjacency(self) -> np.ndarray:
        """[D, D] bool, row = parent."""
        adjacency = np.zeros((len(self.names),) * 2, dtype=bool)
        for j, equation in enumerate(self.equations):
            adjacency[list(equation.parents), j] = True
        return adjacency

    def draw(self, n: int, rng: Generator) -> np.ndarray:
        """Draws the noises z of the published equations, [n, D]."""
        return np.column_stack([equation.z(rng, n) for equation in self.equations])

    def additive(self, z: np.ndarray) -> np.ndarray:
        """The additive noise u that published noises z [N, D] make."""
        columns = zip(self.equations, z.T, strict=True)
        return np.column_stack([equation.noise(column) for equation, column in columns])

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        for j, equation in enumerate(self.equations):
            out[:, j] = equation.mechanism(x)
        return out

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        x = np.where(np.isnan(clamps), u, clamps)
        for j in np.flatnonzero(np.isnan(clamps[0])):
            x[:, j] += self.equations[j].mechanism(x)
        return x

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if kind == "gaussian":
            scale = np.array([equation.deviation for equation in self.equations])
            return scale * rng.standard_normal((n, len(scale)))
        return self.additive(self.draw(n, rng))
