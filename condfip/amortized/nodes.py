"""All nodes of a context as Gaussian processes, in standardised units: fit, mean, deviation.

Nodes are handled together where their numbers of parents fall into one class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.scm.pathwise import Kernel as Prior
from bench.scm.pathwise import Path
from bench.scm.plan import SIZE_CLASSES
from bench.standardised import PerNode
from condfip.amortized.kernel import CONSTANT, Hyper, dual_of, examine, factor, kernel, posterior
from condfip.amortized.model import InContextModel

GROUP = 8  # nodes handled together
KERNEL = 2**15  # kernel entries of a query held at once, so that they stay in a core's own cache
SILENT = 1e-6  # standard deviations of the child


@dataclass(frozen=True)
class Node:
    """One node's process.

    Attributes:
        x: parents [N, P]. y: child [N]. hyper: of a group of one. dual: [N].
    """

    x: Tensor
    y: Tensor
    hyper: Hyper
    dual: Tensor

    def mean(self, here: Tensor) -> Tensor:
        """F at parents [M, P]: [M]."""
        size = max(1, KERNEL // len(self.x))
        return torch.cat([self._mean(rows) for rows in here.split(size)])

    def _mean(self, here: Tensor) -> Tensor:
        answer = here @ self._line + self._level
        if not self._audible:
            return answer
        here = here * self._inverse
        squares = self._squares - 0.5 * here.square().sum(1, keepdim=True)
        power = torch.addmm(squares, here, self._there.T).clamp_(max=0).exp_()
        for s, weight in enumerate(self._audible):
            if s:
                power.mul_(power)
                power.mul_(power)  # each scale has half the lengths of the one before
            answer.addmv_(power, self.dual, alpha=weight)
        return answer

    @cached_property
    def _audible(self) -> list[float]:
        """Amplitudes of the scales up to the last that can change an answer by `SILENT`."""
        amplitudes = self.hyper.amplitude[0].exp()
        loud = (amplitudes * self.dual.abs().sum() > SILENT).nonzero()
        return amplitudes[: int(loud[-1]) + 1].tolist() if len(loud) else []

    @cached_property
    def _inverse(self) -> Tensor:
        return (-self.hyper.length[0]).exp()

    @cached_property
    def _there(self) -> Tensor:
        return self.x * self._inverse

    @cached_property
    def _squares(self) -> Tensor:
        return -0.5 * self._there.square().sum(1)

    @cached_property
    def _level(self) -> Tensor:
        return self.dual.sum() + self._offset

    @cached_property
    def _offset(self) -> Tensor:
        """What the rows' expected noise leaves in the mean residual, beyond two standard errors.

        Noise has mean 0: a residual mean that chance does not explain says that its shape was
        misjudged. It is shrunk as James and Stein (1961) shrink.
        """
        residuals = self._fitted
        mean, error = residuals.mean(), residuals.std() / len(residuals) ** 0.5
        return mean * (1 - (2 * error / mean.abs().clamp(min=1e-12)) ** 2).clamp(min=0)

    @cached_property
    def _line(self) -> Tensor:
        return self.hyper.linear[0].exp() * (self.dual @ self.x)

    def deviation(self, here: Tensor) -> Tensor:
        """Standard deviation of F at parents [M, P]: [M]."""
        spread = posterior(self.hyper, self.x[None], self.y[None], here[None])[1][0]
        return spread.clamp(min=0).sqrt()

    def left_out(self) -> tuple[Tensor, Tensor]:
        """Leave-one-out residuals of the child and the variance of F behind them, [N], [N]."""
        fit = examine(self.hyper, self.x[None], self.y[None])
        return fit.gap[0] - self._offset, fit.cavity[0]

    def draw(self, rng: np.random.Generator) -> Path:
        """A function of the posterior, hyper-parameters kept."""
        hyper, smooth = self.hyper, self.hyper.amplitude[0].exp().tolist()
        scales = [(a, self._inverse * 2**s) for s, a in enumerate(smooth)]
        prior = Prior(CONSTANT, hyper.linear[0].exp(), scales)
        target, noise = hyper.targets(self.y[None])[0], hyper.row_variance[0]
        return Path(prior, self.x, target, noise, self._root, rng, self._offset)

    @cached_property
    def _root(self) -> Tensor:
        """Cholesky factor of the child's covariance, [N, N]."""
        rows = self.x[None]
        return factor(kernel(self.hyper, rows, rows).total, self.hyper.row_variance)[0]

    @property
    def _fitted(self) -> Tensor:
        """The child less the process's mean at its own row, [N]."""
        target = self.hyper.targets(self.y[None])[0]
        return self.y - target + self.hyper.row_variance[0] * self.dual


class Nodes:
    """Every node that has parents; the `predict` of `bench.method.StandardisedMechanisms`."""

    def __init__(
        self, model: InContextModel, z: np.ndarray, parents: Sequence[np.ndarray], device: str
    ) -> None:
        self.parents, self.device = list(parents), device
        self.nodes = dict(_fit(model, torch.from_numpy(z).to(device), self.parents))

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        return self._each(z, nodes, Node.mean)

    def deviation(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Standard deviation of F of `nodes` at rows [M, D]: [M, len(nodes)]."""
        return self._each(z, nodes, Node.deviation)

    def draw(self, rng: np.random.Generator) -> PerNode:
        """Functions from the posteriors of all nodes."""
        found = (self.nodes.get(j) for j in range(len(self.parents)))
        return PerNode(self.parents, [node and node.draw(rng) for node in found])

    def _each(self, z: np.ndarray, nodes: Sequence[int], ask: object) -> np.ndarray:
        rows = torch.from_numpy(z).to(self.device)
        answers = [ask(self.nodes[j], rows[:, self.parents[j]]) for j in nodes]
        return torch.stack(answers, 1).cpu().numpy()


def _fit(
    model: InContextModel, rows: Tensor, parents: list[np.ndarray]
) -> Iterator[tuple[int, Node]]:
    for group in _groups(parents, GROUP):
        most = max(len(parents[j]) for j in group)
        x = rows.new_zeros(len(group), len(rows), most)
        mask = torch.zeros(len(group), most, dtype=torch.bool, device=rows.device)
        for g, j in enumerate(group):
            x[g, :, : len(parents[j])], mask[g, : len(parents[j])] = rows[:, parents[j]], True
        y = rows[:, group].T.contiguous()
        yield from zip(group, _nodes(model, x, y, mask), strict=True)


@torch.inference_mode()
def _nodes(model: InContextModel, x: Tensor, y: Tensor, mask: Tensor) -> list[Node]:
    hyper = model(x, y, mask)[-1]
    dual = dual_of(hyper, x, y)
    counts = mask.sum(1).tolist()
    return [
        Node(x[g, :, :p].clone(), y[g], _narrow(hyper[g : g + 1], p), dual[g])
        for g, p in enumerate(counts)
    ]


def _narrow(hyper: Hyper, p: int) -> Hyper:
    values = vars(hyper) | {"length": hyper.length[:, :p], "linear": hyper.linear[:, :p]}
    return Hyper(**{name: value.clone() for name, value in values.items()})


def _groups(parents: list[np.ndarray], size: int) -> Iterator[list[int]]:
    classes: dict[int, list[int]] = {}
    for j, its_parents in enumerate(parents):
        if len(its_parents):
            place = int(np.searchsorted(SIZE_CLASSES, len(its_parents)))
            classes.setdefault(place, []).append(j)
    for _, members in sorted(classes.items()):
        yield from (members[s : s + size] for s in range(0, len(members), size))
