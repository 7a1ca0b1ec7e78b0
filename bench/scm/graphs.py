"""Random directed acyclic graphs of the Lorch et al. 2022 prior (AVICI, table 3), many at a time.

Every sampler returns `adjacency` [B, D, D] (bool, row = parent) whose nodes are in a random order.
Hyper-parameters (edges per node, lattice dimension, blocks) are drawn afresh for each graph; where
`edges` per node are asked for, these are taken and all other draws stay what they are.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

EDGES_PER_NODE = (1, 2, 3)
LATTICE_DIMENSIONS = (2, 3)
REWIRING = 0.3
BLOCKS = (5, 10)
BLOCK_EDGES, BETWEEN_BLOCKS = 2, 0.1


def draw_graphs(kind: str, batch: int, d: int, generator: Generator, edges: float = 0) -> Tensor:
    """Draws `batch` graphs of one kind of `GRAPHS` with uniformly permuted nodes: [B, D, D].

    Raises:
        ValueError: `edges` per node (0: as the prior has them) that the kind cannot have.
    """
    check_edges(kind, edges)
    ordered = GRAPHS[kind](batch, d, generator, edges)
    order = uniform((batch, d), generator).argsort(1)
    rows = ordered.gather(1, order[:, :, None].expand(-1, -1, d))
    return rows.gather(2, order[:, None, :].expand(-1, d, -1))


def uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform numbers in [0, 1), float64 so that CPU draws do not depend on the caller's dtype."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def check_edges(kind: str, edges: float) -> None:
    """Checks that a kind of graphs can have so many edges per node.

    Raises:
        ValueError: a lattice with other edges than its own, half a link of a scale-free graph.
    """
    if edges and kind == "ws":
        raise ValueError("ws graphs have the edges of their lattice: density takes 0 there")
    if kind in ("sf_in", "sf_out") and edges != int(edges):
        raise ValueError(f"{kind} graphs have a whole number of edges per node, not {edges:g}")


def choose(options: tuple[int, ...], batch: int, generator: Generator) -> Tensor:
    """One of `options` for each graph: [B]."""
    index = torch.randint(len(options), (batch,), generator=generator, device=generator.device)
    return torch.tensor(options, device=generator.device)[index]


def erdos_renyi(batch: int, d: int, generator: Generator, edges: float = 0) -> Tensor:
    """Independent edges, k in {1, 2, 3} or `edges` expected per node."""
    k = choose(EDGES_PER_NODE, batch, generator)
    k = torch.full_like(k, edges, dtype=torch.float64) if edges else k
    p = (2 * k / max(d - 1, 1)).clamp(max=0.99)
    return (uniform((batch, d, d), generator) < p[:, None, None]).tril(-1)


def scale_free_in(batch: int, d: int, generator: Generator, edges: float = 0) -> Tensor:
    """Barabasi-Albert: each new node points at m in {1, 2, 3} or `edges` older ones, the sinks.

    Older nodes are met with probability proportional to indegree + 1, without replacement: the
    smallest of exponential draws divided by their weights.
    """
    m = choose(EDGES_PER_NODE, batch, generator)
    m = torch.full_like(m, int(edges)) if edges else m
    adjacency = torch.zeros(batch, d, d, dtype=torch.bool, device=generator.device)
    popularity = torch.ones(batch, d, dtype=torch.float64, device=generator.device)
    for new in range(1, d):
        race = -torch.log1p(-uniform((batch, new), generator)) / popularity[:, :new]
        first = race.topk(min(max(*EDGES_PER_NODE, int(edges)), new), largest=False).indices
        taken = torch.arange(first.shape[1], device=first.device) < m[:, None]
        adjacency[:, new, :new].scatter_(1, first, taken)
        popularity[:, :new] += adjacency[:, new, :new]
    return adjacency


def scale_free_out(batch: int, d: int, generator: Generator, edges: float = 0) -> Tensor:
    """The transpose of `scale_free_in`: hubs are ancestors, at most m parents, one root."""
    return scale_free_in(batch, d, generator, edges).mT


def watts_strogatz(batch: int, d: int, generator: Generator, _: float = 0) -> Tensor:
    """Small world: a periodic lattice in 2 or 3 dimensions, edges' ends rewired with 30 %.

    Its edges are those of the lattice.
    """
    dimensions = choose(LATTICE_DIMENSIONS, batch, generator)
    adjacency = torch.zeros(batch, d, d, dtype=torch.bool, device=generator.device)
    for dimension in LATTICE_DIMENSIONS:
        here = (dimensions == dimension).nonzero().squeeze(1)
        if len(here):
            adjacency[here] = _small_world(len(here), d, dimension, generator)
    return adjacency


def _small_world(batch: int, d: int, dimension: int, generator: Generator) -> Tensor:
    side = next(s for s in range(1, d + 1) if s**dimension >= d)
    vertices, edges = side**dimension, _lattice_edges(side, dimension)
    linked = torch.zeros(batch, vertices, vertices, dtype=torch.bool, device=generator.device)
    for u, v in edges:
        linked[:, u, v] = linked[:, v, u] = True
    for edge in edges:
        ends = torch.tensor(edge, device=generator.device).expand(batch, 2)
        ends = _rewire(linked, ends[:, 0], ends[:, 1], generator)
        _rewire(linked, ends[:, 1], ends[:, 0], generator)
    kept = uniform((batch, vertices), generator).topk(d, dim=1).indices.sort(1).values
    rows = linked.gather(1, kept[:, :, None].expand(-1, -1, vertices))
    return rows.gather(2, kept[:, None, :].expand(-1, d, -1)).triu(1)


def _rewire(linked: Tensor, stays: Tensor, moves: Tensor, generator: Generator) -> Tensor:
    """Moves one end of an edge of each graph, 30 % of the time, to a vertex not yet linked."""
    batch, vertices, _ = linked.shape
    rows = torch.arange(batch, device=linked.device)
    moved = uniform((batch,), generator) < REWIRING
    chance = uniform((batch, vertices), generator).masked_fill(linked[rows, stays], -1)
    chance[rows, stays] = -1
    end = torch.where(moved, chance.argmax(1), moves)
    linked[rows, stays, moves] = linked[rows, moves, stays] = False
    linked[rows, stays, end] = linked[rows, end, stays] = True
    return torch.stack([stays, end], 1)


def _lattice_edges(side: int, dimension: int) -> list[tuple[int, int]]:
    edges = set()
    for vertex in range(side**dimension):
        for axis in range(dimension):
            step = side**axis
            place = vertex // step % side
            neighbour = vertex + ((place + 1) % side - place) * step
            if neighbour != vertex:
                edges.add((min(vertex, neighbour), max(vertex, neighbour)))
    return sorted(edges)


def stochastic_block(batch: int, d: int, generator: Generator, edges: float = 0) -> Tensor:
    """5 or 10 blocks of random sizes, two or `edges` per node, a tenth as dense between blocks.

    Fewer where the pairs within blocks do not hold as many.
    """
    blocks = choose(BLOCKS, batch, generator).clamp(max=d)
    cut = uniform((batch, d), generator).argsort(1).argsort(1) < blocks[:, None] - 1
    label = cut.cumsum(1).gather(1, uniform((batch, d), generator).argsort(1))
    same = label[:, :, None] == label[:, None, :]
    density = torch.where(same, 1.0, BETWEEN_BLOCKS).double().triu(1)
    p = ((edges or BLOCK_EDGES) * d / density.sum((1, 2)).clamp(min=1e-9)).clamp(max=0.99)
    return uniform((batch, d, d), generator) < p[:, None, None] * density


GRAPHS: dict[str, Callable[[int, int, Generator, float], Tensor]] = {
    "er": erdos_renyi,
    "sf_in": scale_free_in,
    "sf_out": scale_free_out,
    "ws": watts_strogatz,
    "sbm": stochastic_block,
}
