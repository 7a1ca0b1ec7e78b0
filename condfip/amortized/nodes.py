"""All nodes of a context as Gaussian processes, in standardised units: fit, mean, deviation.

Nodes are handled together where their numbers of parents fall into one class.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.scm.many_rows import EXACT_ROWS, some_rows
from bench.scm.plan import SIZE_CLASSES
from bench.standardised import PerNode
from condfip.amortized.features import Ridge, ridge
from condfip.amortized.fit import solved
from condfip.amortized.kernel import Hyper
from condfip.amortized.line import fit_line
from condfip.amortized.model import InContextModel
from condfip.amortized.node import LEFT_OUT, Node, Root
from condfip.amortized.robust import settled

LOUD = 1e-3  # residual variance of a ridge regression, in units of the child's
GROUP = 8  # nodes handled together
ROWS = 2**16  # of theirs, so that memory is bounded


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
    n, rough = x.shape[1], ridge(x, y)
    few = slice(0, n if n <= EXACT_ROWS else LEFT_OUT)
    hyper = _hyper(model, x, y, mask, rough).over(n)
    found = solved(hyper.of_rows(few), x[:, few], y[:, few])
    hyper, found = settled(hyper, x, y, found)
    line = fit_line(x, y, rough.penalty(n))
    return [
        Node(x[g, :, :p].clone(), y[g], hyper[g : g + 1].narrow(p), found[g], line[g].narrow(p))
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
