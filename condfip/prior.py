"""Training data: fresh standardised datasets of the Lorch prior, drawn on the device."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from bench.scm.graphs import draw_graphs
from bench.scm.prior import Family, on_graphs
from condfip.ancestral import ancestral
from condfip.paper.config import PriorConfig


@dataclass(frozen=True)
class Batch:
    """B datasets in units of their context's standard deviations.

    Attributes:
        rows: context, then queries, [B, N, D]. target: F of all rows, [B, N, D].
        adjacency: [B, D, D], row = parent. context: how many rows are context.
        pairs: how many of the queries, the last ones, are counterfactuals of the first ones.
    """

    rows: Tensor
    target: Tensor
    adjacency: Tensor
    context: int
    pairs: int = 0

    def chunk(self, start: int, size: int) -> "Batch":
        """Some of the datasets."""
        part = slice(start, start + size)
        return replace(
            self,
            rows=self.rows[part],
            target=self.target[part],
            adjacency=self.adjacency[part],
        )


def draw_batch(config: PriorConfig, size: int, generator: Generator) -> Batch:
    """Draws `size` datasets of one number of nodes and rows, in random kinds of graph."""
    d, context = _one(config.nodes, generator), _one(config.rows, generator)
    counts = _counts(size, len(config.mechanisms), generator)
    parts = []
    for mechanism, count in zip(config.mechanisms, counts, strict=True):
        if count:
            parts.append(_rows(config, mechanism, (d, context), count, generator))
    rows, target, adjacency = (torch.cat(p) for p in zip(*parts, strict=True))
    mean = rows[:, :context].mean(1, keepdim=True)
    scale = rows[:, :context].std(1, keepdim=True)
    rows, target = (rows - mean) / scale, (target - mean) / scale
    return Batch(rows, target, adjacency, context, config.intervened)


def _rows(
    config: PriorConfig, mechanism: str, sizes: tuple[int, int], count: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, F of the rows [count, n, d], adjacency [count, d, d]; sizes: d and context rows."""
    d, context = sizes
    kinds = zip(config.graph_kinds, _counts(count, len(config.graph_kinds), generator), strict=True)
    graphs = torch.cat([draw_graphs(kind, k, d, generator) for kind, k in kinds if k])
    scm = on_graphs(Family(f"{mechanism}_IN", config.variant), graphs, generator)
    rows, f, _ = ancestral(scm, context, config.queries, config.intervened, generator)
    return rows, f, scm.adjacency


def _one(options: tuple[int, ...], generator: Generator) -> int:
    return options[
        int(torch.randint(len(options), (), generator=generator, device=generator.device))
    ]


def _counts(size: int, kinds: int, generator: Generator) -> list[int]:
    """How many of `size` draws fall on each of `kinds`."""
    draws = torch.randint(kinds, (size,), generator=generator, device=generator.device)
    return torch.bincount(draws, minlength=kinds).tolist()
