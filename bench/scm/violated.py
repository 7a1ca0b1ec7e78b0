"""SCMs that are not x = F(x) + u with independent noise, under the verbs of those that are.

x_j = form(f_j(parents), z_j). The verbs answer in u = x - E[x | parents], which is what an additive
model estimates: u and z determine each other, so that `generate(u, do)` has one answer, the rows
under do of the same z. Letters: N rows, D nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Generator

from bench.scm.base import SCM, order
from bench.scm.batched import BatchedSCM

Draws = Callable[[int, Generator], np.ndarray]
POINTS = 21  # of the quadrature over a normal z
CORNER = 0.5  # radius of a bend, in deviations


class Form(Protocol):
    """How a node arises from f, z and its parents; all arrays are [N, D]."""

    def value(self, f: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The nodes of f and z; x holds their parents."""

    def mean(self, f: np.ndarray) -> np.ndarray:
        """E[x | parents]."""

    def abduct(self, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The z of rows x."""


class Additive:
    """x = f + z."""

    def value(self, f: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`."""
        return f + z

    def mean(self, f: np.ndarray) -> np.ndarray:
        """See `Form`."""
        return f

    def abduct(self, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`."""
        return x - f


@dataclass(frozen=True)
class Scaled(Additive):
    """x = f + size(f, x) z: a location-scale model (Immer et al. 2023).

    Attributes:
        size: (f, x) -> positive factors [N, D], of which column j reads the parents of j only.
    """

    size: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def value(self, f: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`."""
        return f + self.size(f, x) * z

    def abduct(self, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`."""
        return (x - f) / self.size(f, x)


@dataclass(frozen=True)
class Bent:
    """x = g(f + z): post-nonlinear (Zhang and Hyvarinen 2009), for normal z.

    g is a rounded corner at the node's mean: of slope 1 far below it and 1 - loss far above.

    Attributes:
        loss: of slope, [D], in 0 <= loss < 1.
        centre, unit: of f + z, [D].
        spread: of z, [D].
    """

    loss: np.ndarray
    centre: np.ndarray
    unit: np.ndarray
    spread: np.ndarray

    def value(self, f: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`."""
        t = (f + z - self.centre) / self.unit
        bent = t - self.loss * (t + np.hypot(t, CORNER)) / 2
        return self.centre + self.unit * bent

    def mean(self, f: np.ndarray) -> np.ndarray:
        """See `Form`; by Gauss-Hermite quadrature."""
        points, weights = np.polynomial.hermite_e.hermegauss(POINTS)
        bent = [self.value(f, point * self.spread, f) for point in points]
        return np.einsum("pnd,p->nd", bent, weights) / weights.sum()

    def abduct(self, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        """See `Form`; g is inverted in closed form."""
        y, slope = (x - self.centre) / self.unit, 1 - self.loss
        root = np.sqrt(np.square(y) + slope * CORNER**2)
        t = ((1 - self.loss / 2) * y + self.loss / 2 * root) / slope
        return self.centre + self.unit * t - f


@dataclass(frozen=True)
class Line:
    """A node that follows one other: f = intercept + slope x_parent.

    Attributes:
        parent: its number.
        slope, intercept: of the line.
    """

    parent: int
    slope: float
    intercept: float


@dataclass(frozen=True)
class Mechanisms:
    """f of every node of a drawn SCM (batch of one, float64), some replaced by lines.

    Attributes:
        scm: the drawn one.
        lines: {node: line}.
    """

    scm: BatchedSCM
    lines: Mapping[int, Line] = field(default_factory=dict)

    @property
    def adjacency(self) -> np.ndarray:
        """[D, D] bool, row = parent."""
        adjacency = self.scm.adjacency[0].numpy().copy()
        for node, line in self.lines.items():
            adjacency[:, node] = False
            adjacency[line.parent, node] = True
        return adjacency

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """f at rows x [N, D]."""
        f = self.scm.mechanisms(torch.from_numpy(np.ascontiguousarray(x))[None])[0].numpy()
        for node, line in self.lines.items():
            f[:, node] = line.intercept + line.slope * x[:, line.parent]
        return f


class ViolatedSCM(SCM):
    """The five verbs over mechanisms f, a form and draws of z that need not be independent.

    Args:
        names: columns. f: the mechanisms. form: how z enters. draws: (n, generator) -> z [n, D].
    """

    def __init__(self, names: Sequence[str], f: Mechanisms, form: Form, draws: Draws) -> None:
        super().__init__(names)
        self.f, self.form, self.draw = f, form, draws
        self.levels, self.below = order(f.adjacency)

    def rows(self, n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
        """Fresh noise u and rows x, both [n, D]."""
        z = self.draw(n, generator)
        x = self._solve(lambda f, x: self.form.value(f, z, x), np.full((1, z.shape[1]), np.nan), n)
        return x - self._mechanisms(x), x

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        return self.form.mean(self.f(x))

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        free = np.full((1, u.shape[1]), np.nan)
        x = self._solve(lambda f, _: self.form.mean(f) + u, free, len(u))
        if np.isnan(clamps).all():
            return x
        z = self.form.abduct(self.f(x), x)
        return self._solve(lambda f, x: self.form.value(f, z, x), clamps, len(u))

    def _solve(
        self,
        value: Callable[[np.ndarray, np.ndarray], np.ndarray],
        clamps: np.ndarray,
        n: int,
    ) -> np.ndarray:
        """Rows [n, D] of which every free node is `value` of f and of its parents."""
        clamps = np.broadcast_to(clamps, (n, len(self.names)))
        x = np.where(np.isnan(clamps), 0.0, clamps)
        for nodes in self.levels:
            found = value(self.f(x), x)[:, nodes]
            x[:, nodes] = np.where(np.isnan(clamps[:, nodes]), found, clamps[:, nodes])
        return x

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        u, _ = self.rows(n, generator)
        if kind == "gaussian":
            normal = torch.randn(u.shape, generator=generator, dtype=torch.float64).numpy()
            return u.std(0) * normal
        return u
