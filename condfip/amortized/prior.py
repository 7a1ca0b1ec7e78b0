"""Regression tasks to train on: nodes of Lorch SCMs, and a broad prior of our own.

Letters: B tasks, N rows (context first, then queries), P parents (padded).
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Generator, Tensor

from bench.scm.prior import GRAPH_KINDS, VARIANTS, Family, draw_scms
from condfip.amortized.config import PriorConfig
from condfip.amortized.functions import (
    BENDS,
    chance,
    draw_function,
    log_uniform,
    normal,
    pick,
    unit,
)
from condfip.amortized.noise import draw_shape
from condfip.prior import ancestral

SIGNAL_TO_NOISE = (0.3, 50.0)  # ratio of standard deviations, log-uniform
BEYOND = (0.5, 6.0)  # standard deviations that a query is beyond its context, log-uniform
MOVED = (0.1, 1.0)  # share of such a query's values, log-uniform
DROPPED = 0.2  # share of parents without effect, where any have none
CHUNK = 12  # tasks of one source at a time
LARGEST = 50.0  # context deviations; a task with a greater value would outweigh all others


@dataclass(frozen=True)
class Tasks:
    """Regressions in the units of their contexts' deviations.

    Attributes:
        x: parents [B, N, P], zero where padded.
        f: truth [B, N].
        y: f plus noise [B, N].
        mask: [B, P] of true parents.
        context: how many of the rows are context.
    """

    x: Tensor
    f: Tensor
    y: Tensor
    mask: Tensor
    context: int

    @classmethod
    def of(cls, x: Tensor, f: Tensor, y: Tensor, mask: Tensor, context: int) -> Self:
        """Standardises by the context, as `bench.method.fit_additive` does."""
        x, y, f = x.double(), y.double(), f.double()
        here = x[:, :context]
        scale = here.std(1, keepdim=True)
        inverse = torch.where(scale > 0, 1 / scale.clamp(min=1e-300), 0.0)
        x = (x - here.mean(1, keepdim=True)) * inverse * mask[:, None, :]
        mean, scale = y[:, :context].mean(1, keepdim=True), y[:, :context].std(1, keepdim=True)
        scale = scale.clamp(min=1e-12)
        return cls(x, (f - mean) / scale, (y - mean) / scale, mask, context)

    def tame(self) -> Self:
        """Those whose values are all within `LARGEST`."""
        most = torch.maximum(self.x.abs().amax((1, 2)), self.f.abs().amax(1))
        kept = torch.maximum(most, self.y.abs().amax(1)) <= LARGEST
        return replace(self, **{k: getattr(self, k)[kept] for k in ("x", "f", "y", "mask")})

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """One batch, padded to the most parents."""
        most = max(part.x.shape[2] for part in parts)
        pad = torch.nn.functional.pad
        return cls(
            torch.cat([pad(p.x, (0, most - p.x.shape[2])) for p in parts]),
            torch.cat([p.f for p in parts]),
            torch.cat([p.y for p in parts]),
            torch.cat([pad(p.mask, (0, most - p.mask.shape[1])) for p in parts]),
            parts[0].context,
        )


def draw_tasks(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """`batch` tasks of `context` rows and `config.queries` queries, in small groups alike."""
    parts: list[Tasks] = []
    while (left := batch - sum(len(p.x) for p in parts)) > 0:
        source = benchmark if chance(generator) < config.benchmark else broad
        part = source(config, min(left, CHUNK), context, generator)
        if len(part.x) and len((tame := part.tame()).x):
            parts.append(tame)
    return Tasks.join(sorted(parts, key=lambda part: part.x.shape[2]))


def _queries(config: PriorConfig) -> tuple[int, int]:
    """How many queries are rows like the context's, and how many are moved beyond its range."""
    moved = round(config.beyond * config.queries)
    return config.queries - moved, moved


def benchmark(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """Nodes of in-distribution Lorch SCMs; half the queries in range are under an intervention.

    A share of the nodes gets noise of another shape, its parents keep theirs.
    """
    scenario, variant = pick(("LIN_IN", "RFF_IN"), generator), pick(VARIANTS, generator)
    kind, d = pick(GRAPH_KINDS["IN"], generator), pick(config.nodes, generator)
    scm = draw_scms(Family(scenario, variant), kind, d, max(1, 2 * batch // d), generator)
    scm = scm.to(torch.float64)
    inner, moved = _queries(config)
    rows, f, y = ancestral(scm, context, inner, inner // 2, generator)
    if moved:
        again = _moved(rows[:, :context], rows[:, context : context + moved], generator)
        noise = (y - f)[:, context : context + moved]
        rows, f = torch.cat([rows, again], 1), torch.cat([f, scm.mechanisms(again)], 1)
        y = torch.cat([y, f[:, -moved:] + noise], 1)
    if chance(generator) < config.noises:
        shape = draw_shape(generator)
        y = f + shape.draw(tuple(f.shape), generator) * (y - f)[:, :context].std(1, keepdim=True)
    return _nodes(config, scm.adjacency, (rows, f, y), batch, context, generator)


def _nodes(
    config: PriorConfig,
    adjacency: Tensor,
    rows_f_y: tuple[Tensor, Tensor, Tensor],
    batch: int,
    context: int,
    generator: Generator,
) -> Tasks:
    """Tasks of at most `batch` nodes with parents, from SCMs [B, D, D] and their rows [B, N, D]."""
    rows, f, y = rows_f_y
    count = adjacency.sum(1)
    which, node = ((count > 0) & (count <= config.parents)).nonzero(as_tuple=True)
    order = torch.randperm(len(which), generator=generator)[:batch]
    which, node = which[order], node[order]
    mask, place = adjacency[which, :, node].float().sort(dim=1, descending=True, stable=True)
    most = int(mask.sum(1).max()) if len(mask) else 0
    mask, place = mask[:, :most].bool(), place[:, None, :most].expand(-1, rows.shape[1], -1)
    x = rows[which].gather(2, place)
    return Tasks.of(x, f[which, :, node], y[which, :, node], mask, context)


def _moved(context: Tensor, rows: Tensor, generator: Generator) -> Tensor:
    """`rows` [B, M, D] with some values beyond the range of `context` [B, N, D].

    Of a row one column or more, by `BEYOND` of the column's standard deviations.
    """
    share = log_uniform((*rows.shape[:2], 1), *MOVED, generator)
    chosen = torch.rand(rows.shape, generator=generator) < share
    far = log_uniform(tuple(rows.shape), *BEYOND, generator) * context.std(1, keepdim=True)
    up = torch.rand(rows.shape, generator=generator) < 0.5
    low, high = context.amin(1, keepdim=True), context.amax(1, keepdim=True)
    return torch.where(chosen, torch.where(up, high + far, low - far), rows)


def broad(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """Parents of many shapes, functions of `FUNCTIONS`, noise of every kind, any signal to noise.

    In half the queries in range one parent is of another row.
    """
    inner, moved = _queries(config)
    n = context + config.queries
    p = min(int(1 + chance(generator) ** 2.5 * 16), config.parents)
    x = _parents(batch, n, p, context, generator)
    half = slice(context + inner // 2, context + inner)
    j = int(torch.randint(p, (1,), generator=generator))
    x[:, half, j] = x[:, half, j].roll(1, 1)
    if moved:
        x[:, -moved:] = _moved(x[:, :context], x[:, -moved:], generator)
    used = torch.ones(batch, 1, p, dtype=torch.float64)
    if chance(generator) < 0.5:
        used = (torch.rand(batch, 1, p, generator=generator) > DROPPED).double()
    f = unit(draw_function(x * used, context, generator), context)
    ratio = log_uniform((batch, 1), *SIGNAL_TO_NOISE, generator)
    u = draw_shape(generator).draw((batch, n), generator) / ratio
    return Tasks.of(x, f, f + u, torch.ones(batch, p, dtype=torch.bool), context)


def _parents(batch: int, n: int, p: int, context: int, generator: Generator) -> Tensor:
    """Unit columns: ancestral nodes or independent draws, some of them bent, [B, N, P]."""
    if chance(generator) < 0.6:
        d = max(10, p)
        family = Family(pick(("LIN_IN", "RFF_IN"), generator))
        scm = draw_scms(family, pick(GRAPH_KINDS["IN"], generator), d, batch, generator)
        rows = scm.generate(scm.noise_model.draw(n, generator))
        chosen = torch.rand(batch, 1, d, generator=generator).argsort(2)[:, :, :p]
        x = rows.gather(2, chosen.expand(-1, n, -1)).double()
    else:
        x = draw_shape(generator).draw((batch, n, p), generator)
        turn = normal((batch, p, p), generator)
        x = x + chance(generator) * (x @ turn) / p**0.5
    x = unit(x, context)
    bend, steep = pick(BENDS, generator), 0.3 + 2 * chance(generator)
    bent = (torch.rand(batch, 1, p, generator=generator) < 0.5).double()
    return unit(bent * bend(steep * x) + (1 - bent) * x, context)


def draw_rows(config: PriorConfig, generator: Generator) -> int:
    """Draws how many context rows there are, log-uniform."""
    low, high = config.rows
    return int(low * (high / low) ** chance(generator))
