"""The Lorch SCMs with one assumption broken, by degrees.

Degree 0 breaks nothing: context, query, SCM and interventions are those of `lorch`, but for
`collinear`, whose pairs of parents are unrelated there. `bench.suites.breaking` says what
each violation does at a degree.

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

from bench.scm.prior import GRAPH_KINDS, Family, draw_scms
from bench.scm.violated import ViolatedSCM
from bench.suite import Suite
from bench.suites.breaking import VIOLATIONS, Broken, Whole
from bench.suites.contrasts import choose_effect, contrast_of
from bench.suites.draws import BLOCK, REACHES, draw_rows, interventions
from bench.suites.smallest import FIVE_NODES
from bench.task import Dataset, Problem, Task, column_names, seed_of

DEGREES = (0.0, 0.3, 0.6, 1.0)
SCENARIOS = ("LIN_IN", "RFF_IN")
POPULATION = 2000  # rows that tell means and deviations
SPREAD = (0.16, 0.84)


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
    about="The lorch SCMs with one assumption broken, by degrees: who fails least, whose intervals "
    "notice",
    source="ours; SCMs of Lorch et al. 2022, table 3",
    licence="MIT (generated)",
    unit="half distances between the 16 % and the 84 % quantile",
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
        "smoke": [{**FIVE_NODES, "degree": (1.0,), "scenario": ("RFF_IN",)}],
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
