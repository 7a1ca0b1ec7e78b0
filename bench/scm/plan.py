"""In which order to evaluate the nodes of many graphs at once.

Nodes whose parents are all known form a level; within a level, nodes with about as many parents
form a group. A group is evaluated in one batched operation over its own padded parents, so that a
round over the whole graph costs as much as its edges, not as d sweeps over d nodes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SIZE_CLASSES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Group:
    """Nodes of one level with similar numbers of parents.

    Attributes:
        child: flat node numbers b * D + j, [G].
        edge: rows of the edge list, padded with the last (dummy) edge, [G, P].
    """

    child: Tensor
    edge: Tensor


@dataclass(frozen=True)
class Plan:
    """Evaluation order of B graphs of D nodes.

    Attributes:
        parent, child: flat node numbers of the E edges, and one dummy edge at the end, [E + 1].
        groups: in an order in which every node comes after its parents.
        level: longest path from a root to each node, [B, D].
    """

    parent: Tensor
    child: Tensor
    groups: tuple[Group, ...]
    level: Tensor


def make_plan(adjacency: Tensor) -> Plan:
    """Plans the evaluation of `adjacency` [B, D, D].

    Raises:
        ValueError: a graph has a cycle.
    """
    batch, d, _ = adjacency.shape
    b, j, i = adjacency.mT.nonzero(as_tuple=True)
    parent, child = b * d + i, b * d + j
    level = _levels(parent, child, batch * d, d)
    count = torch.bincount(child, minlength=batch * d)
    groups = _groups(level, count, len(child))
    dummy = torch.zeros(1, dtype=torch.long, device=adjacency.device)
    return Plan(torch.cat([parent, dummy]), torch.cat([child, dummy]), groups, level.view(batch, d))


def _levels(parent: Tensor, child: Tensor, nodes: int, d: int) -> Tensor:
    level = torch.zeros(nodes, dtype=torch.long, device=parent.device)
    for _ in range(d):
        longer = level.scatter_reduce(0, child, level[parent] + 1, "amax")
        if torch.equal(longer, level):
            return level
        level = longer
    raise ValueError("the graph has a cycle")


def _groups(level: Tensor, count: Tensor, edges: int) -> tuple[Group, ...]:
    sizes = torch.tensor(SIZE_CLASSES, device=count.device)
    start = count.cumsum(0) - count
    key = level * (len(SIZE_CLASSES) + 1) + torch.searchsorted(sizes, count)
    key, order = key.sort(stable=True)
    lengths = key.unique_consecutive(return_counts=True)[1].tolist()
    groups = []
    for child in order.split(lengths):
        slot = torch.arange(int(count[child].max()), device=count.device)
        edge = (start[child][:, None] + slot).masked_fill(slot >= count[child][:, None], edges)
        groups.append(Group(child, edge))
    return tuple(groups)
