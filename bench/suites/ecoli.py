"""ecoli70: a linear Gaussian network of 46 genes and 70 edges, with several draws of its rows.

Source: Schaefer and Strimmer, "A Shrinkage Approach to Large-Scale Covariance Matrix Estimation and
Implications for Functional Genomics", Statistical Applications in Genetics and Molecular Biology 4,
2005; with coefficients in the bnlearn repository (Scutari 2010). `bench/data/ECOLI70.md` says where
the files come from. The network is the truth, so that the four errors and the distances between
rows all apply; its reference is least squares, for no prior of the coefficients is known.
"""

from dataclasses import dataclass
from functools import partial

from bench.scm.base import TrueSCM
from bench.suite import Suite
from bench.suites.draws import REACHES
from bench.suites.networks import ECOLI70
from bench.task import Problem, Task, seed_of


@dataclass(frozen=True, kw_only=True)
class EcoliTask(Task):
    """One draw of the network's rows and interventions."""

    n_context: int = 400
    n_query: int = 400
    reach: str = "quantile"

    scm_free = Task.scm_free | {"reach"}

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return ECOLI70.d, self.n_context

    def problem(self) -> Problem:
        """See `Network.problem`."""
        stream = partial(seed_of, "ecoli", self.index, self.seed)
        return ECOLI70.problem(stream, self.problem_name, self.n_context, self.n_query, self.reach)


def read_ecoli() -> TrueSCM:
    """See `Network.read`."""
    return ECOLI70.read()


ECOLI = Suite(
    name="ecoli",
    about="ecoli70: a published linear Gaussian network of 46 genes and 70 edges",
    source="Schaefer and Strimmer 2005; bnlearn repository (Scutari 2010)",
    licence="coefficients: CC BY-SA 3.0, as others say (package: MIT); see bench/data/ECOLI70.md",
    kind=EcoliTask,
    axes={"scms": (5,), "n_context": (400,), "n_query": (400,), "reach": ("quantile",)},
    choices={"reach": REACHES},
    presets={
        "smoke": [{"scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"scms": (3,)}],
        "paper": [{"scms": (5,)}],
    },
)
