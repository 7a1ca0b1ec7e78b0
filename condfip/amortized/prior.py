"""Regression tasks to train on: nodes of Lorch SCMs, and a broad prior of our own.

Letters: B tasks, N rows (context first, then queries), P parents (padded), W hidden units.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from bench.scm.noise import NOISES, student_t
from bench.scm.prior import GRAPH_KINDS, VARIANTS, Family, draw_scms
from condfip.amortized.config import PriorConfig
from condfip.amortized.noise import BROAD_NOISES
from condfip.prior import ancestral

FEATURES = 64
SIGNAL_TO_NOISE = (0.3, 50.0)  # ratio of standard deviations, log-uniform
LENGTHS = (0.3, 12.0)  # in standard deviations, log-uniform, times sqrt(P)
DROPPED = 0.2  # share of parents without effect, where any have none
CHUNK = 12  # tasks of one source at a time


@dataclass(frozen=True)
class Tasks:
    """Regressions in context-standardised units.

    Attributes:
        x: parents [B, N, P], zero where padded. f: truth [B, N]. y: f plus noise [B, N].
        mask: [B, P] of true parents. context: how many of the rows are context.
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
    parts = []
    while (left := batch - sum(len(p.x) for p in parts)) > 0:
        source = benchmark if _chance(generator) < config.benchmark else broad
        part = source(config, min(left, CHUNK), context, generator)
        if len(part.x):
            parts.append(part)
    return Tasks.join(parts)


def benchmark(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """Nodes of in-distribution Lorch SCMs; half the queries are rows under an intervention."""
    noise = _pick(sorted(NOISES), generator) if _chance(generator) < config.noises else ""
    scenario, variant = _pick(("LIN_IN", "RFF_IN"), generator), _pick(VARIANTS, generator)
    kind, d = _pick(GRAPH_KINDS["IN"], generator), _pick(config.nodes, generator)
    family = Family(scenario, variant, noise=noise)
    scm = draw_scms(family, kind, d, max(1, 2 * batch // d), generator).to(torch.float64)
    queries = config.queries
    rows, f, y = ancestral(scm, context, queries, queries // 2, generator)
    which, node = ((scm.adjacency.sum(1) > 0) & (scm.adjacency.sum(1) <= config.parents)).nonzero(
        as_tuple=True
    )
    order = torch.randperm(len(which), generator=generator)[:batch]
    which, node = which[order], node[order]
    mask, place = scm.adjacency[which, :, node].float().sort(dim=1, descending=True, stable=True)
    most = int(mask.sum(1).max()) if len(mask) else 0
    mask, place = mask[:, :most].bool(), place[:, None, :most].expand(-1, rows.shape[1], -1)
    x = rows[which].gather(2, place)
    return Tasks.of(x, f[which, :, node], y[which, :, node], mask, context)


def broad(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """Parents of many shapes, functions of `FUNCTIONS`, noise of every kind, any signal to noise.

    In half the queries one parent is of another row.
    """
    n = context + config.queries
    p = min(int(1 + _chance(generator) ** 2.5 * 16), config.parents)
    x = _parents(batch, n, p, generator)
    used = torch.ones(batch, 1, p, dtype=torch.float64)
    if _chance(generator) < 0.5:
        used = (torch.rand(batch, 1, p, generator=generator) > DROPPED).double()
    f = _unit(_function(x * used, generator))
    kind = _pick(BROAD_NOISES, generator)()
    ratio = _log_uniform((batch, 1), *SIGNAL_TO_NOISE, generator)
    u = kind.draw((batch, n), generator).double() / kind.variance**0.5 / ratio
    return Tasks.of(x, f, f + u, torch.ones(batch, p, dtype=torch.bool), context)


def _parents(batch: int, n: int, p: int, generator: Generator) -> Tensor:
    """Unit columns: ancestral nodes or independent draws, some of them bent, [B, N, P]."""
    if _chance(generator) < 0.6:
        d = max(10, p)
        family = Family(_pick(("LIN_IN", "RFF_IN"), generator))
        scm = draw_scms(family, _pick(GRAPH_KINDS["IN"], generator), d, batch, generator)
        rows = scm.generate(scm.noise_model.draw(n, generator))
        chosen = torch.rand(batch, 1, d, generator=generator).argsort(2)[:, :, :p]
        x = rows.gather(2, chosen.expand(-1, n, -1))
    else:
        kind = _pick(BROAD_NOISES, generator)()
        x = kind.draw((batch, n, p), generator)
        turn = torch.randn(batch, p, p, generator=generator)
        x = x + _chance(generator) * (x @ turn) / p**0.5
    x = _unit(x.double())
    bend = BENDS[int(torch.randint(len(BENDS), (1,), generator=generator))]
    bent = (torch.rand(batch, 1, p, generator=generator) < 0.5).double()
    x = _unit(bent * bend(x) + (1 - bent) * x)
    return _stir(x, n // 8, generator)


BENDS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x,
    lambda x: x,
    lambda x: torch.nn.functional.softplus(1.8 * x),
    lambda x: torch.tanh(1.5 * x),
    lambda x: torch.exp(0.8 * x.clamp(-4, 4)),
    lambda x: x * x.abs(),
)


def _stir(x: Tensor, rows: int, generator: Generator) -> Tensor:
    """Gives one parent of the last rows the values of other rows."""
    j = int(torch.randint(x.shape[2], (1,), generator=generator))
    x[:, -rows:, j] = x[:, :rows, j].clone() if rows else x[:, -rows:, j]
    return x


def _function(x: Tensor, generator: Generator) -> Tensor:
    """A drawn function, sometimes plus a linear one, [B, N]."""
    f = _unit(_pick(tuple(FUNCTIONS.values()), generator)(x, generator))
    if _chance(generator) < 0.5:
        angle = math.pi / 2 * _chance(generator)
        f = math.cos(angle) * f + math.sin(angle) * _unit(linear(x, generator))
    return f


def linear(x: Tensor, generator: Generator) -> Tensor:
    """Weights of any size."""
    return (x @ _normal((x.shape[0], x.shape[2], 1), generator)).squeeze(2)


def smooth(x: Tensor, generator: Generator) -> Tensor:
    """A Gaussian process draw, squared-exponential, a length for each parent."""
    return _features(x, _normal((x.shape[0], x.shape[2], FEATURES), generator), generator)


def rough(x: Tensor, generator: Generator) -> Tensor:
    """The same with Student-t frequencies: a Matern kernel."""
    df = _pick((3, 5), generator)
    omega = student_t(df).draw((x.shape[0], x.shape[2], FEATURES), generator).double()
    return _features(x, omega, generator)


def _features(x: Tensor, omega: Tensor, generator: Generator) -> Tensor:
    b, _, p = x.shape
    length = _log_uniform((b, 1), *LENGTHS, generator) * p**0.5
    if _chance(generator) < 0.7:
        length = length * _log_uniform((b, p), 0.4, 2.5, generator)
    phase = 2 * math.pi * torch.rand(b, 1, FEATURES, generator=generator, dtype=torch.float64)
    wave = torch.cos(x @ (omega / length[:, :, None]) + phase)
    return (wave @ _normal((b, FEATURES, 1), generator)).squeeze(2)


def network(x: Tensor, generator: Generator) -> Tensor:
    """A small network, tanh or softplus."""
    b, _, p = x.shape
    width = _pick((3, 10, 30), generator)
    hidden = x @ (_normal((b, p, width), generator) * 1.5 / p**0.5)
    hidden = hidden + _normal((b, 1, width), generator)
    bend = _pick((torch.tanh, torch.nn.functional.softplus, torch.relu), generator)
    return (bend(hidden) @ _normal((b, width, 1), generator)).squeeze(2)


def saturating(x: Tensor, generator: Generator) -> Tensor:
    """One bent line: softplus, tanh, or a bump of a linear combination."""
    b = x.shape[0]
    line = _unit(linear(x, generator))
    steep = _log_uniform((b, 1), 0.3, 4.0, generator)
    bends = (torch.tanh, torch.nn.functional.softplus, lambda t: torch.exp(-t.square()))
    return _pick(bends, generator)(steep * line + _normal((b, 1), generator))


def product(x: Tensor, generator: Generator) -> Tensor:
    """Products of two linear combinations."""
    return linear(x, generator) * (linear(x, generator) + _normal((x.shape[0], 1), generator))


def additive(x: Tensor, generator: Generator) -> Tensor:
    """A sum of bent parents."""
    b, _, p = x.shape
    bend = _pick((torch.sin, torch.tanh, torch.square, torch.relu), generator)
    steep = _log_uniform((b, 1, p), 0.3, 4.0, generator)
    return linear(bend(steep * x + _normal((b, 1, p), generator)), generator)


FUNCTIONS = {
    "linear": linear,
    "smooth": smooth,
    "smooth again": smooth,
    "rough": rough,
    "network": network,
    "saturating": saturating,
    "product": product,
    "additive": additive,
}


def draw_rows(config: PriorConfig, generator: Generator) -> int:
    """Context rows, log-uniform."""
    low, high = config.rows
    return int(low * (high / low) ** _chance(generator))


def _unit(x: Tensor) -> Tensor:
    """Rows [B, N, ...] with mean 0 and standard deviation 1."""
    scale = x.std(1, keepdim=True).clamp(min=1e-6)
    return (x - x.mean(1, keepdim=True)) / scale


def _chance(generator: Generator) -> float:
    return float(torch.rand(1, generator=generator))


def _pick(options: tuple | list, generator: Generator) -> object:
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _log_uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low * (high / low) ** torch.rand(shape, generator=generator, dtype=torch.float64)
