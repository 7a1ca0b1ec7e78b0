"""Regression tasks to train on: nodes of Lorch SCMs, and a broad prior of our own.

Letters: B tasks, N rows (context first, then queries), P parents (padded), W hidden units.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import torch
from torch import Generator, Tensor

from bench.scm.prior import GRAPH_KINDS, VARIANTS, Family, draw_scms
from condfip.amortized.config import PriorConfig
from condfip.amortized.noise import draw_shape, student_t
from condfip.prior import ancestral

T = TypeVar("T")

FEATURES = 64
SIGNAL_TO_NOISE = (0.3, 50.0)  # ratio of standard deviations, log-uniform
LENGTHS = (0.3, 12.0)  # in standard deviations, log-uniform, times sqrt(P)
BEYOND = (0.5, 6.0)  # standard deviations that a query is beyond its context, log-uniform
MOVED = (0.1, 1.0)  # share of such a query's values, log-uniform
DROPPED = 0.2  # share of parents without effect, where any have none
CHUNK = 12  # tasks of one source at a time
LARGEST = 50.0  # context deviations; a task with a greater value would outweigh all others


@dataclass(frozen=True)
class Tasks:
    """Regressions in the units of their contexts' deviations.

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
        source = benchmark if _chance(generator) < config.benchmark else broad
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
    scenario, variant = _pick(("LIN_IN", "RFF_IN"), generator), _pick(VARIANTS, generator)
    kind, d = _pick(GRAPH_KINDS["IN"], generator), _pick(config.nodes, generator)
    scm = draw_scms(Family(scenario, variant), kind, d, max(1, 2 * batch // d), generator)
    scm = scm.to(torch.float64)
    inner, moved = _queries(config)
    rows, f, y = ancestral(scm, context, inner, inner // 2, generator)
    if moved:
        again = _moved(rows[:, :context], rows[:, context : context + moved], generator)
        noise = (y - f)[:, context : context + moved]
        rows, f = torch.cat([rows, again], 1), torch.cat([f, scm.mechanisms(again)], 1)
        y = torch.cat([y, f[:, -moved:] + noise], 1)
    if _chance(generator) < config.noises:
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
    share = _log_uniform((*rows.shape[:2], 1), *MOVED, generator)
    chosen = torch.rand(rows.shape, generator=generator) < share
    far = _log_uniform(tuple(rows.shape), *BEYOND, generator) * context.std(1, keepdim=True)
    up = torch.rand(rows.shape, generator=generator) < 0.5
    low, high = context.amin(1, keepdim=True), context.amax(1, keepdim=True)
    return torch.where(chosen, torch.where(up, high + far, low - far), rows)


def broad(config: PriorConfig, batch: int, context: int, generator: Generator) -> Tasks:
    """Parents of many shapes, functions of `FUNCTIONS`, noise of every kind, any signal to noise.

    In half the queries in range one parent is of another row.
    """
    inner, moved = _queries(config)
    n = context + config.queries
    p = min(int(1 + _chance(generator) ** 2.5 * 16), config.parents)
    x = _parents(batch, n, p, context, generator)
    half = slice(context + inner // 2, context + inner)
    j = int(torch.randint(p, (1,), generator=generator))
    x[:, half, j] = x[:, half, j].roll(1, 1)
    if moved:
        x[:, -moved:] = _moved(x[:, :context], x[:, -moved:], generator)
    used = torch.ones(batch, 1, p, dtype=torch.float64)
    if _chance(generator) < 0.5:
        used = (torch.rand(batch, 1, p, generator=generator) > DROPPED).double()
    f = _unit(_function(x * used, context, generator), context)
    ratio = _log_uniform((batch, 1), *SIGNAL_TO_NOISE, generator)
    u = draw_shape(generator).draw((batch, n), generator) / ratio
    return Tasks.of(x, f, f + u, torch.ones(batch, p, dtype=torch.bool), context)


def _parents(batch: int, n: int, p: int, context: int, generator: Generator) -> Tensor:
    """Unit columns: ancestral nodes or independent draws, some of them bent, [B, N, P]."""
    if _chance(generator) < 0.6:
        d = max(10, p)
        family = Family(_pick(("LIN_IN", "RFF_IN"), generator))
        scm = draw_scms(family, _pick(GRAPH_KINDS["IN"], generator), d, batch, generator)
        rows = scm.generate(scm.noise_model.draw(n, generator))
        chosen = torch.rand(batch, 1, d, generator=generator).argsort(2)[:, :, :p]
        x = rows.gather(2, chosen.expand(-1, n, -1)).double()
    else:
        x = draw_shape(generator).draw((batch, n, p), generator)
        turn = _normal((batch, p, p), generator)
        x = x + _chance(generator) * (x @ turn) / p**0.5
    x = _unit(x, context)
    bend, steep = _pick(BENDS, generator), 0.3 + 2 * _chance(generator)
    bent = (torch.rand(batch, 1, p, generator=generator) < 0.5).double()
    return _unit(bent * bend(steep * x) + (1 - bent) * x, context)


def level(x: Tensor) -> Tensor:
    """A smooth bend: straight, then flat on both sides."""
    return x / (1 + x.square()).sqrt()


def hinge(x: Tensor) -> Tensor:
    """A smooth bend: flat, then straight."""
    return x + (1 + x.square()).sqrt()


def hill(x: Tensor) -> Tensor:
    """A bend that goes up, and down again for good."""
    return 1 / (1 + x.square())


BENDS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x,
    lambda x: x,
    level,
    hinge,
    lambda x: torch.sinh(x.clamp(-4, 4)),
    lambda x: x * x.abs(),
)


def _function(x: Tensor, context: int, generator: Generator) -> Tensor:
    """A drawn function, sometimes plus a linear one that may outweigh it by far, [B, N]."""
    f = _unit(_pick(tuple(FUNCTIONS.values()), generator)(x, generator), context)
    if _chance(generator) < 0.5:
        line = _unit(linear(x, generator), context)
        if _chance(generator) < 0.5:
            return line + _log_uniform((len(x), 1), 0.01, 0.5, generator) * f
        angle = math.pi / 2 * _chance(generator)
        f = math.cos(angle) * f + math.sin(angle) * line
    return f


def linear(x: Tensor, generator: Generator) -> Tensor:
    """A linear function whose weights may have any size."""
    return (x @ _normal((x.shape[0], x.shape[2], 1), generator)).squeeze(2)


def smooth(x: Tensor, generator: Generator) -> Tensor:
    """A Gaussian process draw, squared-exponential, a length for each parent."""
    return _features(x, _normal((x.shape[0], x.shape[2], FEATURES), generator), generator)


def rough(x: Tensor, generator: Generator) -> Tensor:
    """The same with Student-t frequencies: a Matern kernel."""
    omega = student_t(generator).draw((x.shape[0], x.shape[2], FEATURES), generator)
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
    """A small network with random weights."""
    b, _, p = x.shape
    width = _pick((3, 10, 30), generator)
    hidden = x @ (_normal((b, p, width), generator) * 1.5 / p**0.5)
    hidden = hidden + _normal((b, 1, width), generator)
    bend = _pick((level, hinge, torch.relu), generator)
    return (bend(hidden) @ _normal((b, width, 1), generator)).squeeze(2)


def bent_line(x: Tensor, generator: Generator) -> Tensor:
    """A linear combination that goes on, saturates or returns."""
    b = x.shape[0]
    line = linear(x, generator) / x.shape[2] ** 0.5
    steep = _log_uniform((b, 1), 0.3, 4.0, generator)
    return _pick((level, hinge, hill), generator)(steep * line + _normal((b, 1), generator))


def product(x: Tensor, generator: Generator) -> Tensor:
    """A product of two linear combinations."""
    return linear(x, generator) * (linear(x, generator) + _normal((x.shape[0], 1), generator))


def additive(x: Tensor, generator: Generator) -> Tensor:
    """A sum of functions of one parent each."""
    b, _, p = x.shape
    bends: list[Callable[[Tensor], Tensor]] = [torch.sin, level, torch.square, torch.relu]
    bend = _pick([*bends, hinge, hill], generator)
    steep = _log_uniform((b, 1, p), 0.3, 4.0, generator)
    return linear(bend(steep * x + _normal((b, 1, p), generator)), generator)


FUNCTIONS = {
    "linear": linear,
    "smooth": smooth,
    "smooth again": smooth,
    "rough": rough,
    "network": network,
    "bent line": bent_line,
    "product": product,
    "additive": additive,
    "additive again": additive,
}


def draw_rows(config: PriorConfig, generator: Generator) -> int:
    """Draws how many context rows there are, log-uniform."""
    low, high = config.rows
    return int(low * (high / low) ** _chance(generator))


def _unit(x: Tensor, context: int) -> Tensor:
    """Rows [B, N, ...] whose context has mean 0 and standard deviation 1."""
    here = x[:, :context]
    scale = here.std(1, keepdim=True).clamp(min=1e-6)
    return (x - here.mean(1, keepdim=True)) / scale


def _chance(generator: Generator) -> float:
    return float(torch.rand(1, generator=generator))


def _pick(options: Sequence[T], generator: Generator) -> T:
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _log_uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low * (high / low) ** torch.rand(shape, generator=generator, dtype=torch.float64)
