"""Training data: fresh standardised datasets of the Lorch prior, drawn on the device."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from bench.scm.batched import BatchedSCM
from bench.scm.graphs import draw_graphs
from bench.scm.prior import Family, on_graphs
from condfip.paper.config import PriorConfig


@dataclass(frozen=True)
class Batch:
    """B datasets in units of their context's standard deviations.

    Attributes:
        rows: context, then queries, [B, N, D].
        target: F of all rows, [B, N, D].
        adjacency: [B, D, D], row = parent.
        context: how many rows are context.
        linear: which of the datasets have linear mechanisms, [B].
        pairs: how many of the queries, the last ones, are counterfactuals of the first ones.
    """

    rows: Tensor
    target: Tensor
    adjacency: Tensor
    context: int
    linear: Tensor
    pairs: int = 0

    def chunk(self, start: int, size: int) -> "Batch":
        """Some of the datasets."""
        part = slice(start, start + size)
        return replace(
            self,
            rows=self.rows[part],
            target=self.target[part],
            adjacency=self.adjacency[part],
            linear=self.linear[part],
        )


def draw_batch(config: PriorConfig, size: int, generator: Generator, step: int = 0) -> Batch:
    """Draws datasets of one number of nodes and rows, in random kinds of graph.

    Args:
        config: the prior. size: how many, where the prior's `tokens` do not say. step: of the
            training, on which the lengths of contexts may depend.
    """
    d, context = _one(config.nodes, generator), _one(_lengths(config, step), generator)
    size = min(max(config.tokens // (d * context), 2), 4 * size) if config.tokens else size
    counts = _counts(size, len(config.mechanisms), generator)
    parts, linear = [], []
    for mechanism, count in zip(config.mechanisms, counts, strict=True):
        if count:
            parts.append(_rows(config, mechanism, (d, context), count, generator))
            linear += [mechanism == "LIN"] * count
    rows, target, adjacency = (torch.cat(p) for p in zip(*parts, strict=True))
    mean = rows[:, :context].mean(1, keepdim=True)
    scale = rows[:, :context].std(1, keepdim=True)
    rows, target = (rows - mean) / scale, (target - mean) / scale
    is_linear = torch.tensor(linear, device=rows.device)
    return Batch(rows, target, adjacency, context, is_linear, config.intervened)


def _lengths(config: PriorConfig, step: int) -> tuple[int, ...]:
    """The context lengths that a step may have: the two shortest, then one more at a time."""
    if step >= config.grow:
        return config.rows
    return config.rows[: max(2, math.ceil(len(config.rows) * step / config.grow))]


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


def ancestral(
    scm: BatchedSCM, context: int, queries: int, intervened: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, F of the rows, and F plus noise, each [B, N, D]; context rows first, then queries.

    Args:
        scm: of B datasets. context, queries: how many rows of each. intervened: how many of the
            queries, the last ones, are counterfactuals of the first ones: the same noise under a
            do() of the row's own, one node, uniform, at the value of a context row between its
            10 % and 90 % quantiles. A clamped node's rows are its value, not F plus noise.
        generator: of the draws, on the SCM's device.

    Raises:
        ValueError: more than half of the queries intervened, so that some have no partner.
    """
    if 2 * intervened > queries:
        raise ValueError(f"{intervened} of {queries} queries intervened: at most half can be")
    u = scm.noise_model.draw(context + queries - intervened, generator)
    rows = scm.generate(u)
    if intervened:
        do = _interventions(rows[:, :context], intervened, generator)
        again = u[:, context : context + intervened]
        rows, u = torch.cat([rows, scm.generate(again, do)], 1), torch.cat([u, again], 1)
    f = scm.mechanisms(rows)
    return rows, f, f + u


def _interventions(context: Tensor, rows: int, generator: Generator) -> Tensor:
    """A do() for each of `rows` rows, NaN at free nodes, [B, rows, D]; context rows [B, N, D]."""
    b, n, d = context.shape
    place: dict[str, Any] = {"generator": generator, "device": context.device}
    node = torch.randint(d, (b, rows, 1), **place)
    level = 0.1 + 0.8 * torch.rand(b, rows, 1, dtype=context.dtype, **place)
    ranked = context.mT.sort(2).values.flatten(1)  # [B, D N]
    chosen = node * n + (level * (n - 1)).long()
    value = ranked.gather(1, chosen.flatten(1)).unsqueeze(2)
    do = torch.full((b, rows, d), torch.nan, dtype=context.dtype, device=context.device)
    return do.scatter(2, node, value)
