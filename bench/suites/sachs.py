"""Flow cytometry of 11 proteins in single cells (Sachs et al. 2005), many splits of one table.

Source: Sachs, Perez, Pe'er, Lauffenburger, Nolan, "Causal Protein-Signaling Networks Derived from
Multiparameter Single-Cell Data", Science 308, 2005. The 853 observational rows (condition cd3cd28)
and the 17-edge reference graph; `bench/data/SACHS.md` says where both come from, and how a user's
own rows of other conditions become queries. Splits and MMD as in Mahajan et al. 2025, table 24. No
truth is known: the reference graph is itself an estimate.
"""

import os
import re
import warnings
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from bench.registry import Unavailable
from bench.standardised import spread
from bench.suite import Settings, Suite
from bench.suites.files import DATA_DIR, ShippedFile, columns, edge_weights, environments
from bench.suites.least_squares import least_squares
from bench.task import Dataset, Problem, Task, seed_of

TABLE = ShippedFile("sachs.csv", "c6f109d1d98550e2f8ee57ee021b30713c08ba6cfe626b3e23805568c54cec8e")
EDGES = ShippedFile(
    "sachs_edges.csv", "d6b02b994ad3e9a959b8a16bf0c61f2671fc71464c54d806439874c801ddad25"
)
ROWS, NODES = 853, 11
TRANSFORMS = {"raw": np.positive, "log": np.log}
OBSERVATIONAL = "cd3cd28"
ALIASES = {"praf": "Raf", "pmek": "Mek", "plcg": "Plcg", "p44/42": "Erk", "pakts473": "Akt"}
ALIASES |= {"pjnk": "Jnk"}  # the names of the published files, in lower case


@dataclass(frozen=True, kw_only=True)
class SachsTask(Task):
    """One split of the rows, raw or in logarithms: every value is at least 1.

    Attributes:
        condition: of the query; contexts are rows of the observational one.
    """

    transform: str
    n_context: int = 400
    n_query: int = 400
    condition: str = OBSERVATIONAL

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return NODES, self.n_context

    def problem(self) -> Problem:
        """Query rows from the beginning and context rows from the end of one permutation.

        Rows of another condition are permuted on their own, and errors count in deviations of the
        context, so that conditions can be compared; the reference is least squares fitted to those
        of its rows that are not queried.

        Raises:
            ValueError: a condition has too few rows. Unavailable: its rows are not here.
        """
        data, change = read_sachs(), TRANSFORMS[self.transform]
        order = self._order(len(data.rows))
        context = change(data.rows[order[::-1][: self.n_context]])
        seen = Dataset(context, data.names, data.adjacency)
        if self.condition == OBSERVATIONAL:
            rows = change(data.rows[order[: self.n_query]])
            return Problem(seen, query_rows=rows, name=self.problem_name)
        rows = change(self._rows())
        query, other = np.split(rows[self._order(len(rows), self.condition)], [self.n_query])
        if len(other) <= NODES:
            raise ValueError(f"{self.condition} has {len(rows)} rows: too few beside a query")
        return Problem(
            seen,
            query_rows=query,
            unit=spread(context),
            name=self.problem_name,
            make_floor=partial(least_squares, Dataset(other, data.names, data.adjacency)),
        )

    def _order(self, n: int, *condition: str) -> np.ndarray:
        rng = np.random.default_rng(seed_of("sachs", *condition, self.index, self.seed))
        return rng.permutation(n)

    def _rows(self) -> np.ndarray:
        rows = conditions().get(self.condition)
        if rows is None:
            raise Unavailable(f"rows of {self.condition} are not shipped: give them by --data-dir")
        return rows


def read_sachs() -> Dataset:
    """All rows and the reference graph.

    Raises:
        ValueError: a shipped file has changed.
    """
    table = TABLE.rows()
    names = tuple(table[0])
    return Dataset(columns(table, names), names, edge_weights(EDGES.rows(), names) > 0)


def conditions() -> dict[str, np.ndarray]:
    """The rows of every other condition that --data-dir has; {} without.

    Raises:
        ValueError: see `read_conditions`.
    """
    folder = os.environ.get(DATA_DIR, "")
    return read_conditions(Path(folder)) if folder else {}


@cache
def read_conditions(folder: Path) -> dict[str, np.ndarray]:
    """The rows of every condition but the observational one, which is shipped, [N, 11] each.

    Warns where no file of the folder is of these proteins: it may be another suite's.

    Raises:
        ValueError: a file lacks a protein, a field is no number or below 1, no condition is there,
            or observational rows are in other units than those shipped.
    """
    shipped = read_sachs()
    found = environments(folder, shipped.names, "condition", ALIASES)
    if not found:
        told = f"{folder} has no CSV file of {', '.join(shipped.names)}: {OBSERVATIONAL} alone"
        warnings.warn(told, stacklevel=2)
        return {}
    rows = {re.sub(r"^\d+\W+", "", name).lower(): found[name] for name in sorted(found)}
    for name, values in rows.items():
        if values.min() < 1:
            raise ValueError(
                f"{folder}: {name} has values below 1; fluorescence as measured has not"
            )
    known = rows.pop(OBSERVATIONAL, shipped.rows)
    if not np.isclose(np.median(known, 0), np.median(shipped.rows, 0), rtol=0.2).all():
        raise ValueError(
            f"{folder}: its rows of {OBSERVATIONAL} are not in the units of those shipped"
        )
    if not rows:
        raise ValueError(
            f"{folder} has no CSV file with rows of a condition besides {OBSERVATIONAL}"
        )
    return rows


def settle(settings: Settings) -> Settings:
    """Checks the settings of a task, and returns them.

    Raises:
        ValueError: more rows are asked for than there are.
    """
    n_context, n_query = settings["n_context"], settings["n_query"]
    if n_context + n_query > ROWS:
        raise ValueError(f"sachs has {ROWS} rows, not {n_context} + {n_query}")
    return settings


@dataclass(frozen=True, repr=False)
class SachsSuite(Suite):
    """Conditions are the shipped one and those of --data-dir."""

    def tasks(self, preset: str = "quick", seed: int = 0, **axes: object) -> list[Task]:
        """See `Suite`."""
        there = (OBSERVATIONAL, *conditions())
        found = replace(
            self,
            axes={**self.axes, "condition": there},
            choices={**self.choices, "condition": there},
        )
        return Suite.tasks(found, preset, seed, **axes)


SACHS = SachsSuite(
    name="sachs",
    about="Real data: 853 cells, 11 proteins, the 17-edge reference graph; splits of 400 + 400",
    source="Sachs et al. 2005; Mahajan et al. 2025, table 24",
    licence="rows: none of their own, from packages under MIT; see bench/data/SACHS.md",
    kind=SachsTask,
    axes={
        "transform": ("raw",),
        "condition": (OBSERVATIONAL,),
        "scms": (5,),
        "n_context": (400,),
        "n_query": (400,),
    },
    presets={
        "smoke": [{"scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"scms": (5,)}],
        "paper": [{"scms": (20,)}],
    },
    choices={"transform": tuple(TRANSFORMS)},
    settle=settle,
)
