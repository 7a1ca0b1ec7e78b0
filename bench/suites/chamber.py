"""The light tunnel: a real system under real interventions (Gamella et al. 2025).

Contexts are rows of the reference environment, in which three lights are drawn from the low third
of their range; queries are other rows of it, or of an environment in which a light comes from
further up (`uniform_red_mid`, `uniform_red_strong`, ...), a sensor's own setting was changed
(`uniform_t_...`) or a polariser was turned that the columns lack (`uniform_pol_...`). Lights are
set, so that only sensors count: how far they lie from F of the lights, in units of their deviation
over the context, and how far rows generated for the same lights lie from the measured ones. No
truth is known; the reference is least squares fitted to the other rows of the same environment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.standardised import spread
from bench.suite import Suite
from bench.suites.chamber_rows import (
    LIGHTS,
    MADE,
    NAMES,
    REFERENCE,
    SENSORS,
    Tables,
    at_hand,
    made,
    measured,
)
from bench.suites.least_squares import least_squares
from bench.task import Dataset, Problem, Task, seed_of

ROWS: dict[str, Callable[[], Tables]] = {"measured": measured, "made": made}
DO = tuple(f"uniform_{light}_{how}" for light in LIGHTS for how in ("mid", "strong"))
KNOWN = (
    REFERENCE,
    *DO,
    *(f"uniform_pol_1_{how}" for how in ("mid", "strong")),
    *(
        f"uniform_t_{sensor}_{how}"
        for sensor in ("ir_2", "vis_1", "vis_2", "vis_3")
        for how in ("weak", "mid", "strong")
    ),
)
ADJACENCY = np.array([[a in LIGHTS and b in SENSORS for b in NAMES] for a in NAMES])


@dataclass(frozen=True, kw_only=True)
class ChamberTask(Task):
    """One split of an environment's rows into context and query.

    Attributes:
        rows: "measured" or "made".
        scenario: the environment of the query.
        n_context, n_query: rows; fewer begin more.
    """

    rows: str
    scenario: str
    n_context: int = 400
    n_query: int = 400

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return len(NAMES), self.n_context

    def problem(self) -> Problem:
        """Splits reference rows, and those of the scenario, each by a permutation of its own.

        Raises:
            ValueError: the environment is not among the rows, or has too few.
        """
        tables = ROWS[self.rows]()
        if self.scenario not in tables:
            raise ValueError(f"no rows of {self.scenario}; there are {', '.join(tables)}")
        inside = self.scenario == REFERENCE
        context = self._shuffled(tables, REFERENCE)[::-1][: self.n_context]
        query, other = np.split(self._shuffled(tables, self.scenario), [self.n_query])
        if len(context) < self.n_context or len(other) < (self.n_context if inside else 1):
            raise ValueError(f"too few rows of {self.scenario} for {self.n_query} query rows")
        return Problem(
            data=Dataset(context, NAMES, ADJACENCY),
            query_rows=query,
            given=dict(zip(LIGHTS, query.T, strict=False)),
            unit=spread(context),
            name=self.problem_name,
            make_floor=partial(least_squares, Dataset(other, NAMES, ADJACENCY)),
        )

    def _shuffled(self, tables: Tables, environment: str) -> np.ndarray:
        rows = tables[environment]
        rng = np.random.default_rng(seed_of("chamber", environment, self.index, self.seed))
        return rows[rng.permutation(len(rows))]


@dataclass(frozen=True, repr=False)
class ChamberSuite(Suite):
    """Scenarios are the environments that are found in the rows."""

    def tasks(self, preset: str = "quick", seed: int = 0, **axes: object) -> list[Task]:
        """See `Suite`; the environments of the published run where no rows are found."""
        found = found_environments()
        axis = {**self.axes, "scenario": found}
        choices = {**self.choices, "scenario": tuple(dict.fromkeys((*found, *made())))}
        return Suite.tasks(replace(self, axes=axis, choices=choices), preset, seed, **axes)


def found_environments() -> tuple[str, ...]:
    """Environments of the measured rows, the reference first; the known ones before a download."""
    tables = at_hand()
    if tables is None:
        return KNOWN
    return (REFERENCE, *(name for name in sorted(tables) if name != REFERENCE))


CHAMBER = ChamberSuite(
    name="chamber",
    about="Real data: a light tunnel, three lights and six sensors, under real interventions",
    source="Gamella et al. 2025, data set lt_interventions_standard_v1",
    licence="rows: CC BY 4.0, not shipped; see bench/data/CHAMBER.md",
    kind=ChamberTask,
    axes={
        "rows": ("measured",),
        "scenario": KNOWN,
        "scms": (6,),
        "n_context": (400,),
        "n_query": (400,),
    },
    presets={
        "smoke": [
            {
                "rows": ("made",),
                "scenario": tuple(MADE)[::2],
                "scms": (1,),
                "n_context": (50,),
                "n_query": (50,),
            }
        ],
        "quick": [{"scenario": (REFERENCE, *DO[:4]), "scms": (3,)}],
        "paper": [{"n_context": (50, 100, 200, 400)}],
    },
    choices={"rows": tuple(ROWS)},
)
