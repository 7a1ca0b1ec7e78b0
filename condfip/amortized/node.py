"""One node's F: a mean of its process and of a line, or of a root its level."""

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.scm.many_rows import EXACT_ROWS, solve_any
from bench.scm.pathwise import drawn
from bench.scm.process import Exact
from bench.scm.support import gate_of, straightness
from condfip.amortized.fit import Solution
from condfip.amortized.kernel import Hyper, beyond, gain
from condfip.amortized.line import Line, fit_line
from condfip.amortized.scale import Scale
from condfip.amortized.shape import evidence

LEFT_OUT = 1000  # rows that are left out in turn where there are more than `EXACT_ROWS`
IN_FAVOUR = 1.0  # of the line, in nats, before any row is seen
UNLIKELY = 1e-3


class Node:
    """One node: a mean of its process and of a line, weighted by how likely each made the rows.

    Args:
        x: parents [N, P]. y: child [N]. hyper: of a group of one. solution: after the first rows,
            after all where they are not too many. line: the line.
    """

    def __init__(self, x: Tensor, y: Tensor, hyper: Hyper, solution: Solution, line: Line) -> None:
        self.x, self.y, self.hyper, self.line = x, y, hyper, line
        target, noise = hyper.targets(y[None])[0], hyper.row_variance[0]
        if len(solution.gap) < len(x):
            self.process = solve_any(hyper.kernel, x, target, noise)
        else:
            self.process = Exact.of(hyper.kernel, x, noise, solution.dual)
        self.low, self.high = x.amin(0), x.amax(0)
        self.gap, self.cavity = solution.gap - self._offset, solution.cavity
        self.plain = _plainness((self.gap, self.cavity), self._of_line)

    def mean(self, here: Tensor) -> Tensor:
        """F at parents [M, P]: [M]."""
        return self._mixed(here, spread=False)[0]

    def deviation(self, here: Tensor) -> Tensor:
        """Standard deviation of F at parents [M, P]: [M]."""
        return self._mixed(here, spread=True)[1].clamp(min=0).sqrt()

    def _mixed(self, here: Tensor, spread: bool) -> tuple[Tensor, Tensor]:
        """Mean, and variance where asked for, of F: [M], [M]."""
        if self.plain < UNLIKELY:
            return self._answer(here, spread)
        mean = self.line.mean(here)
        variance = self.line.variance(here) if spread else mean
        if self.plain > 1 - UNLIKELY:
            return mean, variance
        return mixed(self.plain, (mean, variance), self._answer(here, spread))

    def left_out(self) -> tuple[Tensor, Tensor]:
        """Left-out residuals of the child and the variance of F behind them, [N], [N].

        Of `LEFT_OUT` rows at most where there are very many.
        """
        return mixed(self.plain, self._of_line, (self.gap, self.cavity))

    @property
    def _of_line(self) -> tuple[Tensor, Tensor]:
        return self.line.gap[: len(self.gap)], self.line.cavity[: len(self.gap)]

    @cached_property
    def scale(self) -> Scale:
        """How the size of the noise depends on the parents."""
        gap, cavity = (t.cpu().numpy() for t in self.left_out())
        total = np.square(gap).mean()
        noise = max(total - cavity.mean(), 0.5 * total, 1e-300)
        return Scale.of(*self._seen, gap / np.sqrt(cavity + noise))

    @property
    def own_sizes(self) -> np.ndarray:
        """Relative sizes of the noise of left-out rows."""
        return self.scale(*self._seen)

    @cached_property
    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Parents of left-out rows and F there: left out too, F would depend on the child."""
        x = self.x[: len(self.gap)]
        return x.cpu().numpy(), self.mean(x).cpu().numpy()

    def draw(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """A function of the posterior, of line or process, hyper-parameters kept."""
        if rng.random() < self.plain:
            return self.line.draw(rng)
        deviation = drawn(self.process, rng)

        def function(x: np.ndarray) -> np.ndarray:
            mean = self._answer(torch.from_numpy(x).to(self.x), spread=False)[0]
            return mean.cpu().numpy() + deviation(x)

        return function

    def _answer(self, here: Tensor, spread: bool) -> tuple[Tensor, Tensor]:
        """Of the process, in part going on as a line beyond the context."""
        mean, variance = self._within(here, spread)
        inside = here.clamp(self.low, self.high)
        out = (inside != here).any(1)
        if not out.any() or not self._gate:
            return mean, variance
        gap, (middle, narrow) = (here - inside)[out], self._within(inside[out], spread)
        means, spreads = (mean[out], middle + gap @ self._line), (variance[out], narrow)
        variance = variance.clone()
        mean[out], variance[out] = beyond(self._gate, means, spreads, self._gain(gap))
        return mean, variance

    def _within(self, here: Tensor, spread: bool) -> tuple[Tensor, Tensor]:
        """Of the process alone."""
        mean = self.process.mean(here) + self._offset
        return mean, self.process.variance(here) if spread else mean

    @property
    def _gate(self) -> float:
        """How much F goes on as a line: what the network says, at least what `_straight` does."""
        return gate_of(self._straight[1]) if self._fixed else self._learnt

    @property
    def _line(self) -> Tensor:
        if self._fixed:
            return torch.from_numpy(self._straight[0]).to(self.x)
        return self.line.weights[1:]

    def _gain(self, gap: Tensor) -> Tensor:
        if not self._fixed:
            return gain(self.hyper, gap[None])[0]
        return self._gate * (1 - self._straight[1]) * (gap @ self._line).square()

    @cached_property
    def _fixed(self) -> bool:
        return gate_of(self._straight[1]) >= self._learnt

    @cached_property
    def _learnt(self) -> float:
        return 0.0 if self.hyper.gate is None else float(self.hyper.gate[0].sigmoid())

    @cached_property
    def _straight(self) -> tuple[np.ndarray, float]:
        """Weights of F's line over the context, and the share of its variance that it explains."""
        return straightness(self.x.cpu().numpy(), (self.y - self._fitted).cpu().numpy())

    @cached_property
    def _offset(self) -> Tensor:
        """What the rows' expected noise leaves in the mean residual, beyond two standard errors.

        Noise has mean 0: a residual mean that chance does not explain says that its shape was
        misjudged. It is shrunk as James and Stein (1961) shrink.
        """
        residuals = self._fitted
        mean, error = residuals.mean(), residuals.std() / len(residuals) ** 0.5
        return mean * (1 - (2 * error / mean.abs().clamp(min=1e-12)) ** 2).clamp(min=0)

    @property
    def _fitted(self) -> Tensor:
        """The child less the process's mean at its own row, [N]."""
        if not isinstance(self.process, Exact):
            return self.y - self.process.mean(self.x)
        target = self.hyper.targets(self.y[None])[0]
        return self.y - target + self.process.noise * self.process.dual


def mixed(
    chance: float, one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean and variance of a mixture of two distributions, the first of them with `chance`."""
    mean = other[0] + chance * (one[0] - other[0])
    between = chance * (1 - chance) * (one[0] - other[0]).square()
    return mean, other[1] + chance * (one[1] - other[1]) + between


def _plainness(of_process: tuple[Tensor, Tensor], of_line: tuple[Tensor, Tensor]) -> float:
    """Chance that the line made the rows: pseudo-BMA of left-out residuals.

    Of each residuals and the variance of F in them, [N].

    Yao, Vehtari, Simpson and Gelman 2018, section 3.4, the kind of noise unknown. Noise in two
    parts is left to the process, whose rows know their part.
    """
    gap, cavity = (torch.stack(pair) for pair in zip(of_process, of_line, strict=True))
    kinds = evidence(gap, cavity)
    process, line = kinds.logsumexp(1).tolist()
    plain = 1 / (1 + math.exp(min(process - line - IN_FAVOUR, 100.0)))
    return plain * (1 - float(kinds[0].softmax(0)[-1]))


class Root:
    """A node without parents: a level, whatever the shape of its noise; y [N]."""

    def __init__(self, y: Tensor) -> None:
        self.line = fit_line(y[None, :, None][:, :, :0], y[None], y.new_zeros(1))[0]

    def mean(self, here: Tensor) -> Tensor:
        """The level at rows [M, 0]: [M]."""
        return self.line.weights[0].expand(len(here))

    def deviation(self, here: Tensor) -> Tensor:
        """Standard deviation of the level at rows [M, 0]: [M]."""
        return self.line.covariance[0, 0].sqrt().expand(len(here))

    def draw(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Draws a level from its posterior."""
        return self.line.draw(rng)

    def left_out(self) -> tuple[Tensor, Tensor]:
        """See `Node`."""
        few = len(self.line.gap) if len(self.line.gap) <= EXACT_ROWS else LEFT_OUT
        return self.line.gap[:few], self.line.cavity[:few]
