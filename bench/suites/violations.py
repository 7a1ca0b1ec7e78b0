"""The Lorch SCMs with one assumption broken, by degrees.

Degree 0 breaks nothing: context, query, SCM and interventions are those of `lorch`, but for
`collinear`, whose pairs of parents are unrelated there. What each violation does at degree q:

- `scale`: noise is larger and smaller with the parents, between 5**-q and 5**q times;
- `product`: noise grows with the distance of F from its mean (multiplicative noise);
- `bend`: what F and the noise add up to is bent, the slope above its mean 1 - .95 q of that below
  (post-nonlinear noise);
- `cauchy`: a share q of the noise is Cauchy, of the scale that the normal noise has;
- `hidden`: the noise of half of the nodes shares a cause, with correlation q**2;
- `measurement`: context rows are measured with errors of q deviations of their column;
- `selection`: a share .95 q of the population, with the largest values of one sink, is not in the
  context;
- `collinear`: of some children's parents one follows another, with correlation 1 - (1 - q)**4; at 1
  it is its duplicate.

The truth is computed from the broken SCM itself (`bench.scm.violated`): it scores 0 in everything.
Its noise is x - E[x | parents], for Cauchy noise x less the median. Query rows are always drawn
from the population and measured exactly. Every problem also asks an effect. Errors are in
units of half the distance between the 16 % and the 84 % quantile of the query's columns, which is
the deviation where these are normal and exists where they are Cauchy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Generator

from bench.scm.batched import BatchedSCM
from bench.scm.prior import GRAPH_KINDS, Family, draw_scms
from bench.scm.violated import Additive, Bent, Draws, Form, Line, Mechanisms, Scaled, ViolatedSCM
from bench.suite import Suite
from bench.suites.contrasts import choose_effect, contrast_of
from bench.suites.draws import BLOCK, REACHES, draw_rows, interventions
from bench.task import Dataset, Problem, Task, column_names, seed_of

DEGREES = (0.0, 0.3, 0.6, 1.0)
SCENARIOS = ("LIN_IN", "RFF_IN")
WIDEST = np.log(5)  # of the factor on noise, at degree 1
NEARLY = 0.95  # of what would be lost altogether
POPULATION = 2000  # rows that tell means and deviations
SPREAD = (0.16, 0.84)


@dataclass(frozen=True)
class Whole:
    """An SCM before it is broken, and what its population is like.

    Attributes:
        scm: as drawn. x, f: rows of the population and their mechanisms, [N, D]. rng: for choices.
    """

    scm: BatchedSCM
    x: np.ndarray
    f: np.ndarray
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        """For choices that are the same at every degree."""
        return np.random.default_rng(self.seed)

    @property
    def adjacency(self) -> np.ndarray:
        """[D, D]."""
        return self.scm.adjacency[0].numpy()

    @property
    def noise_scale(self) -> np.ndarray:
        """Deviation of the noise, [D]."""
        return self.scm.noise_model.scale[0].numpy()

    def noise(self, n: int, generator: Generator) -> np.ndarray:
        """Normal noise, [n, D]."""
        return self.scm.noise_model.draw(n, generator)[0].numpy()


@dataclass(frozen=True)
class Broken:
    """What a violation changes; everything else stays.

    Attributes:
        f, form, draws: of the SCM. keep: rows [N, D] -> whether a row can be in the context.
        error: deviation of the context's measurement error, [D].
    """

    f: Mechanisms
    form: Form
    draws: Draws
    keep: Callable[[np.ndarray], np.ndarray] | None = None
    error: np.ndarray | None = None


def unbroken(whole: Whole) -> Broken:
    """The SCM as drawn."""
    return Broken(Mechanisms(whole.scm), Additive(), whole.noise)


def scale(whole: Whole, degree: float) -> Broken:
    """The noise's size depends on its parents."""
    sign = whole.rng.choice((-1.0, 1.0), size=whole.adjacency.shape)
    parents = np.maximum(whole.adjacency.sum(0), 1)
    weights = sign * whole.adjacency / np.sqrt(parents) / whole.x.std(0)[:, None]
    mean = whole.x.mean(0)

    def size(f: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.exp(degree * WIDEST * np.tanh((x - mean) @ weights))

    return _replaced(whole, form=Scaled(size))


def product(whole: Whole, degree: float) -> Broken:
    """The noise is multiplied by how far F is from its mean."""
    mean, deviation = whole.f.mean(0), whole.f.std(0)
    moves = whole.adjacency.any(0)
    unit = np.where(moves, deviation, 1.0)

    def size(f: np.ndarray, x: np.ndarray) -> np.ndarray:
        far = np.hypot(1 - NEARLY * degree, degree * (f - mean) / unit)
        return np.where(moves, far, 1.0)

    return _replaced(whole, form=Scaled(size))


def bend(whole: Whole, degree: float) -> Broken:
    """F and noise are bent together."""
    loss = NEARLY * degree * whole.adjacency.any(0)
    form = Bent(np.asarray(loss), whole.x.mean(0), whole.x.std(0), whole.noise_scale)
    return _replaced(whole, form=form)


def cauchy(whole: Whole, degree: float) -> Broken:
    """Some of the noise is Cauchy."""

    def draws(n: int, generator: Generator) -> np.ndarray:
        z = whole.noise(n, generator)
        parts = torch.rand((2, *z.shape), generator=generator, dtype=torch.float64).numpy()
        wild = np.tan(np.pi * (parts[0] - 0.5)) * whole.noise_scale
        return np.where(parts[1] < degree, wild, z)

    return _replaced(whole, draws=draws)


def hidden(whole: Whole, degree: float) -> Broken:
    """Half of the nodes share a cause that no column tells of; both ends of an edge do."""
    rng, d = whole.rng, len(whole.adjacency)
    edges = np.argwhere(whole.adjacency)
    first = edges[rng.integers(len(edges))] if len(edges) else np.arange(0)
    others = [j for j in rng.permutation(d) if j not in first]
    touched = np.zeros(d)
    touched[[*first, *others[: max(d // 2 - len(first), 0)]]] = 1
    sign = rng.choice((-1.0, 1.0), size=d) * touched

    def draws(n: int, generator: Generator) -> np.ndarray:
        own = whole.noise(n, generator)
        cause = torch.randn((n, 1), generator=generator, dtype=torch.float64).numpy()
        left = np.sqrt(1 - degree**2 * touched)
        return own * left + degree * cause * sign * whole.noise_scale

    return _replaced(whole, draws=draws)


def measurement(whole: Whole, degree: float) -> Broken:
    """The context's values are measured with errors."""
    return _replaced(whole, error=degree * whole.x.std(0))


def selection(whole: Whole, degree: float) -> Broken:
    """Rows with large values of one sink are lost to the context."""
    ancestors = np.linalg.matrix_power(np.eye(len(whole.adjacency)) + whole.adjacency, 64) > 0
    sink = int(np.argmax(ancestors.sum(0) * ~whole.adjacency.any(1)))
    most = np.quantile(whole.x[:, sink], 1 - NEARLY * degree)
    return _replaced(whole, keep=lambda rows: rows[:, sink] <= most)


def collinear(whole: Whole, degree: float) -> Broken:
    """Of some children's parents one follows another."""
    correlation = 1 - (1 - degree) ** 4
    mean, deviation = whole.x.mean(0), whole.x.std(0)
    lines, loose = {}, np.ones(len(mean))
    for leader, follower in _pairs(whole):
        slope = correlation * deviation[follower] / deviation[leader]
        lines[follower] = Line(leader, slope, mean[follower] - slope * mean[leader])
        own = deviation[follower] * np.sqrt(1 - correlation**2)
        loose[follower] = own / whole.noise_scale[follower]
    return Broken(Mechanisms(whole.scm, lines), Additive(), lambda n, g: loose * whole.noise(n, g))


def _pairs(whole: Whole) -> list[tuple[int, int]]:
    """(leader, follower): parents of one child, each node once, a quarter of the nodes at most."""
    place = np.argsort(np.argsort(whole.scm.plan.level[0].numpy(), kind="stable"))
    pairs: list[tuple[int, int]] = []
    used: set[int] = set()
    for child in whole.rng.permutation(len(place)).tolist():
        parents = set(np.flatnonzero(whole.adjacency[:, child]).tolist()) - used
        if len(parents) > 1 and child not in used and len(pairs) < max(len(place) // 4, 1):
            leader, follower, *_ = sorted(parents, key=place.__getitem__)
            pairs.append((leader, follower))
            used |= {leader, follower, child}
    return pairs


def _replaced(whole: Whole, **changes: object) -> Broken:
    return Broken(**{**vars(unbroken(whole)), **changes})


VIOLATIONS: dict[str, Callable[[Whole, float], Broken]] = {
    "scale": scale,
    "product": product,
    "bend": bend,
    "cauchy": cauchy,
    "hidden": hidden,
    "measurement": measurement,
    "selection": selection,
    "collinear": collinear,
}


@dataclass(frozen=True, kw_only=True)
class ViolationTask(Task):
    """One SCM of `lorch` with one assumption broken to a degree.

    Attributes:
        violation: of `VIOLATIONS`. degree: from 0 to 1. scenario, graph_kind, d: as in `lorch`.
        n_context, n_query: rows. reach: how far interventions go.
    """

    violation: str
    degree: float
    scenario: str
    graph_kind: str
    d: int
    n_context: int = 400
    n_query: int = 400
    reach: str = "quantile"

    scm_free = Task.scm_free | {"violation", "degree", "reach"}

    def problem(self) -> Problem:
        """Breaks the SCM, and draws its rows and its interventions.

        Raises:
            ValueError: a degree that is not from 0 to 1.
        """
        if not 0 <= self.degree <= 1:
            raise ValueError(f"degree is from 0 to 1, not {self.degree:g}")
        words = ("lorch", "lorch", self.scenario, self.graph_kind, self.d, self.index, self.seed)
        stream, names = partial(seed_of, *words), column_names(self.d)
        whole = self._whole(stream)
        broken = VIOLATIONS[self.violation](whole, self.degree)
        truth = ViolatedSCM(names, broken.f, broken.form, broken.draws)
        _, context = draw_rows(
            partial(_context, truth, broken), self.n_context, partial(stream, "context")
        )
        noise, query = draw_rows(partial(_query, truth), self.n_query, partial(stream, "query"))
        unit = np.diff(np.quantile(query, SPREAD, axis=0), axis=0)[0] / 2
        effect = self._effect(whole, stream)
        return Problem(
            data=Dataset(context, names, broken.f.adjacency),
            query_rows=query,
            truth=truth,
            query_noise_rows=noise,
            name=self.problem_name,
            clamps=interventions(names, query, stream("interventions"), self.reach),
            unit=unit,
            contrast=contrast_of(truth, query, effect, unit),
        )

    def _whole(self, stream: Callable[..., int]) -> Whole:
        generator = torch.Generator().manual_seed(stream("scm"))
        scm = draw_scms(Family(self.scenario), self.graph_kind, self.d, 1, generator)
        scm = scm.to(torch.float64)
        x = scm.sample(POPULATION, torch.Generator().manual_seed(stream("population")))
        return Whole(scm, x[0].numpy(), scm.mechanisms(x)[0].numpy(), stream("violation"))

    def _effect(self, whole: Whole, stream: Callable[..., int]) -> tuple[int, int, float, float]:
        """The same at every degree: chosen where nothing is broken yet."""
        start = VIOLATIONS[self.violation](whole, 0.0)
        scm = ViolatedSCM(column_names(self.d), start.f, start.form, start.draws)
        return choose_effect(scm, scm.below, whole.x[:: POPULATION // 200], stream("effect"))


def _query(truth: ViolatedSCM, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return truth.rows(BLOCK, torch.Generator().manual_seed(seed))


def _context(truth: ViolatedSCM, broken: Broken, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A block of rows as they are selected and measured; their noise is nobody's business."""
    generator = torch.Generator().manual_seed(seed)
    _, rows = truth.rows(BLOCK, generator)
    if broken.keep is not None:
        rows = rows[broken.keep(rows)]
        while len(rows) < BLOCK:
            _, more = truth.rows(BLOCK, generator)
            rows = np.vstack([rows, more[broken.keep(more)]])[:BLOCK]
    if broken.error is not None:
        errors = torch.randn(rows.shape, generator=generator, dtype=torch.float64).numpy()
        rows = rows + broken.error * errors
    return rows, rows


VIOLATED = Suite(
    name="violations",
    about="The lorch SCMs with one assumption broken by degrees: who fails least, whose intervals "
    "notice",
    source="ours; SCMs of Lorch et al. 2022, table 3",
    licence="MIT (generated)",
    kind=ViolationTask,
    axes={
        "violation": tuple(VIOLATIONS),
        "degree": DEGREES,
        "scenario": SCENARIOS,
        "graph_kind": ("er",),
        "d": (10,),
        "scms": (3,),
        "n_context": (400,),
        "n_query": (400,),
        "reach": ("quantile",),
    },
    presets={
        "smoke": [
            {
                "degree": (1.0,),
                "scenario": ("RFF_IN",),
                "scms": (1,),
                "n_context": (50,),
                "n_query": (50,),
            }
        ],
        "quick": [{"scenario": ("RFF_IN",), "scms": (3,)}],
        "paper": [{"graph_kind": GRAPH_KINDS["IN"], "scms": (3,)}],
    },
    choices={
        "violation": tuple(VIOLATIONS),
        "scenario": SCENARIOS,
        "graph_kind": GRAPH_KINDS["IN"],
        "reach": REACHES,
    },
)
