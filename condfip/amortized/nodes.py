"""All nodes of a context as Gaussian processes, in standardised units: fit, mean, deviation.

Nodes are handled together where their numbers of parents fall into one class.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.scm.many_rows import EXACT_ROWS, solve_any, some_rows
from bench.scm.pathwise import drawn
from bench.scm.plan import SIZE_CLASSES
from bench.scm.process import Exact
from bench.scm.support import gate_of, straightness
from bench.standardised import PerNode
from condfip.amortized.features import Ridge, ridge
from condfip.amortized.kernel import Hyper, beyond, gain, solved
from condfip.amortized.line import Line, evidence, fit_line
from condfip.amortized.model import InContextModel
from condfip.amortized.scale import Scale

LEFT_OUT = 1000  # rows that are left out in turn where there are more than `EXACT_ROWS`
IN_FAVOUR = 1.0  # of the line, in nats, before any row is seen
UNLIKELY = 1e-3
LOUD = 1e-3  # residual variance of a ridge regression, in units of the child's
GROUP = 8  # nodes handled together
ROWS = 2**16  # of theirs, so that memory is bounded


class Node:
    """One node: a mean of its process and of a line, weighted by how likely each made the rows.

    Args:
        x: parents [N, P]. y: child [N]. hyper: of a group of one. solution: the process's dual
            weights, left-out residuals and their variances, or None to solve. line: the line.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        hyper: Hyper,
        solution: tuple[Tensor, Tensor, Tensor] | None,
        line: Line,
    ) -> None:
        self.x, self.y, self.hyper, self.line = x, y, hyper, line
        target, noise = hyper.targets(y[None])[0], hyper.row_variance[0]
        if solution is None:
            self.process = solve_any(hyper.kernel, x, target, noise)
            few = slice(0, LEFT_OUT)
            found = solved(hyper.of_rows(few), x[None, few], y[None, few])
            _, gap, cavity = (part[0] for part in found)
        else:
            dual, gap, cavity = solution
            self.process = Exact.of(hyper.kernel, x, noise, dual)
        self.low, self.high = x.amin(0), x.amax(0)
        self.gap, self.cavity = gap - self._offset, cavity
        self.plain = _plainness(self.gap, line.gap[: len(self.gap)])

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
        of_line = self.line.gap[: len(self.gap)], self.line.cavity[: len(self.gap)]
        return mixed(self.plain, of_line, (self.gap, self.cavity))

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


def _plainness(gap: Tensor, of_line: Tensor) -> float:
    """Chance that the line made the rows: pseudo-BMA of left-out residuals, [N] each.

    Yao, Vehtari, Simpson and Gelman 2018, section 3.4, the kind of noise unknown. Noise in two
    parts is left to the process, whose rows know their part.
    """
    kinds = evidence(torch.stack([gap, of_line]))
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


class Nodes:
    """Every node that varies; the `predict` of `bench.standardised.StandardisedMechanisms`."""

    def __init__(
        self, model: InContextModel, z: np.ndarray, parents: Sequence[np.ndarray], device: str
    ) -> None:
        self.parents, self.device = list(parents), device
        rows = torch.from_numpy(z).to(device)
        rows = rows[some_rows(len(z), len(z)).to(device)]  # so that the first few stand for all
        self.nodes: dict[int, Node | Root] = dict(_fit(model, rows, self.parents))
        varies = rows.amax(0) > rows.amin(0)
        roots = (j for j, its_parents in enumerate(self.parents) if not len(its_parents))
        self.nodes |= {j: Root(rows[:, j].contiguous()) for j in roots if varies[j]}

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        return self._each(z, nodes, "mean")

    def deviation(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Standard deviation of F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        return self._each(z, nodes, "deviation")

    def draw(self, rng: np.random.Generator) -> PerNode:
        """Functions from the posteriors of all nodes."""
        found = (self.nodes.get(j) for j in range(len(self.parents)))
        return PerNode(self.parents, [node and node.draw(rng) for node in found])

    def _each(self, z: np.ndarray, nodes: Sequence[int], ask: str) -> np.ndarray:
        rows = torch.from_numpy(z).to(self.device)
        answers = [getattr(self.nodes[j], ask)(rows[:, self.parents[j]]) for j in nodes]
        return torch.stack(answers, 1).cpu().numpy()


def _fit(
    model: InContextModel, rows: Tensor, parents: list[np.ndarray]
) -> Iterator[tuple[int, Node]]:
    size = max(1, min(GROUP, ROWS // len(rows)))
    for group in _groups(parents, size):
        most = max(len(parents[j]) for j in group)
        x = rows.new_zeros(len(group), len(rows), most)
        mask = torch.zeros(len(group), most, dtype=torch.bool, device=rows.device)
        for g, j in enumerate(group):
            x[g, :, : len(parents[j])], mask[g, : len(parents[j])] = rows[:, parents[j]], True
        y = rows[:, group].T.contiguous()
        yield from zip(group, _nodes(model, x, y, mask), strict=True)


@torch.inference_mode()
def _nodes(model: InContextModel, x: Tensor, y: Tensor, mask: Tensor) -> list[Node]:
    rough = ridge(x, y)
    hyper = _hyper(model, x, y, mask, rough).over(x.shape[1])
    line = fit_line(x, y, rough.penalty(x.shape[1]))
    solutions: list[Any] = [None] * len(x)
    if x.shape[1] <= EXACT_ROWS:
        solutions = list(zip(*solved(hyper, x, y), strict=True))
    return [
        Node(x[g, :, :p].clone(), y[g], hyper[g : g + 1].narrow(p), solutions[g], line[g].narrow(p))
        for g, p in enumerate(mask.sum(1).tolist())
    ]


def _hyper(model: InContextModel, x: Tensor, y: Tensor, mask: Tensor, rough: Ridge) -> Hyper:
    """What the network answers: in 32 bits, which it reads anyway, unless noise is very small.

    There a kernel of so few digits may have no Cholesky factor.
    """
    if rough.spread.min() > LOUD:
        answer = model.settled(x.float(), y.float(), mask).to(x)
        if answer.is_finite:
            return answer
    return model.settled(x, y, mask)


def _groups(parents: list[np.ndarray], size: int) -> Iterator[list[int]]:
    classes: dict[int, list[int]] = {}
    for j, its_parents in enumerate(parents):
        if len(its_parents):
            place = int(np.searchsorted(SIZE_CLASSES, len(its_parents)))
            classes.setdefault(place, []).append(j)
    for _, members in sorted(classes.items()):
        yield from (members[s : s + size] for s in range(0, len(members), size))
