"""Flow cytometry of 11 proteins in single cells (Sachs et al. 2005), many splits of one table.

Source: Sachs, Perez, Pe'er, Lauffenburger, Nolan, "Causal Protein-Signaling Networks Derived from
Multiparameter Single-Cell Data", Science 308, 2005. The 853 observational rows (condition cd3cd28)
and the 17-edge reference graph; `bench/data/SACHS.md` says where both come from. Splits and MMD as
in Mahajan et al. 2025, table 24. No truth is known: the reference graph is itself an estimate.
"""

from dataclasses import dataclass

import numpy as np

from bench.suite import Settings, Suite
from bench.suites.files import ShippedFile, columns, edge_weights
from bench.task import Dataset, Problem, Task, seed_of

TABLE = ShippedFile("sachs.csv", "c6f109d1d98550e2f8ee57ee021b30713c08ba6cfe626b3e23805568c54cec8e")
EDGES = ShippedFile(
    "sachs_edges.csv", "d6b02b994ad3e9a959b8a16bf0c61f2671fc71464c54d806439874c801ddad25"
)
ROWS, NODES = 853, 11
TRANSFORMS = {"raw": np.positive, "log": np.log}


@dataclass(frozen=True, kw_only=True)
class SachsTask(Task):
    """One split of the rows, raw or in logarithms: every value is at least 1."""

    transform: str
    n_context: int = 400
    n_query: int = 400

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return NODES, self.n_context

    def problem(self) -> Problem:
        """Query rows from the beginning and context rows from the end of one permutation."""
        data = read_sachs()
        rows = TRANSFORMS[self.transform](data.rows)
        rng = np.random.default_rng(seed_of("sachs", self.index, self.seed))
        order = rng.permutation(len(rows))
        context = rows[order[::-1][: self.n_context]]
        return Problem(
            Dataset(context, data.names, data.adjacency),
            query_rows=rows[order[: self.n_query]],
            name=self.problem_name,
        )


def read_sachs() -> Dataset:
    """All rows and the reference graph.

    Raises:
        ValueError: a shipped file has changed.
    """
    table = TABLE.rows()
    names = tuple(table[0])
    return Dataset(columns(table, names), names, edge_weights(EDGES.rows(), names) > 0)


def settle(settings: Settings) -> Settings:
    """The settings as they are.

    Raises:
        ValueError: more rows are asked for than there are.
    """
    n_context, n_query = settings["n_context"], settings["n_query"]
    if n_context + n_query > ROWS:
        raise ValueError(f"sachs has {ROWS} rows, not {n_context} + {n_query}")
    return settings


SACHS = Suite(
    name="sachs",
    about="Real data: 853 cells, 11 proteins, the 17-edge reference graph; splits of 400 + 400",
    source="Sachs et al. 2005; Mahajan et al. 2025, table 24",
    licence="rows: none of their own, from packages under MIT; see bench/data/SACHS.md",
    kind=SachsTask,
    axes={"transform": ("raw",), "scms": (5,), "n_context": (400,), "n_query": (400,)},
    presets={
        "smoke": [{"scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"scms": (5,)}],
        "paper": [{"scms": (20,)}],
    },
    choices={"transform": tuple(TRANSFORMS)},
    settle=settle,
)
