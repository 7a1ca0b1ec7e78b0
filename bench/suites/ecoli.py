"""ecoli70: a linear Gaussian network of 46 genes and 70 edges, with several draws of its rows.

Source: Schaefer and Strimmer, "A Shrinkage Approach to Large-Scale Covariance Matrix Estimation and
Implications for Functional Genomics", Statistical Applications in Genetics and Molecular Biology 4,
2005; with coefficients in the bnlearn repository (Scutari 2010). `bench/data/ECOLI70.md` says where
the files come from. The network is the truth, so that the four errors and the distances between
rows all apply; its reference is least squares, for no prior of the coefficients is known.
"""

from dataclasses import dataclass
from functools import partial

import torch

from bench.scm.base import TrueSCM
from bench.scm.batched import BatchedSCM
from bench.scm.mechanisms import Linear
from bench.scm.noise import Noise, gaussian
from bench.scm.plan import make_plan
from bench.suite import Suite
from bench.suites.draws import REACHES, interventions, scm_rows
from bench.suites.files import ShippedFile, columns, edge_weights
from bench.suites.least_squares import least_squares
from bench.task import Dataset, Problem, Task, seed_of

NODES = ShippedFile(
    "ecoli70_nodes.csv", "b0eb8bd79502e7a3919f0d7c415c9fe4b5c195a8ae5c916060de9c758dbdec3a"
)
EDGES = ShippedFile(
    "ecoli70_edges.csv", "5c2e257f667b07cfb02b14a15c27af408bdd1e4d388de294a6e9bf84bcd35062"
)

GENES = 46


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
        return GENES, self.n_context

    def problem(self) -> Problem:
        """Draws rows and interventions, each from a stream of its own."""
        stream = partial(seed_of, "ecoli", self.index, self.seed)
        truth = read_ecoli()
        _, context = scm_rows(truth.scm, self.n_context, partial(stream, "context"))
        noise, query = scm_rows(truth.scm, self.n_query, partial(stream, "query"))
        data = Dataset(context, truth.names, truth.scm.adjacency[0].numpy())
        return Problem(
            data=data,
            query_rows=query,
            truth=truth,
            query_noise_rows=noise,
            name=self.problem_name,
            clamps=interventions(truth.names, query, stream("interventions"), self.reach),
            make_floor=partial(least_squares, data),
            compare_rows=True,
        )


def read_ecoli() -> TrueSCM:
    """The network, in float64.

    Raises:
        ValueError: a shipped file has changed.
    """
    nodes = NODES.rows()
    names = tuple(node["node"] for node in nodes)
    weights = torch.from_numpy(edge_weights(EDGES.rows(), names))
    intercept, variance = torch.from_numpy(columns(nodes, ("intercept", "variance"))).unbind(1)
    adjacency = (weights != 0)[None]
    plan = make_plan(adjacency)  # its dummy edge has the weight of 0 -> 0, which is 0
    mechanism = Linear(weights[plan.parent, plan.child], intercept.contiguous())
    return TrueSCM(
        names, BatchedSCM(adjacency, plan, mechanism, Noise(gaussian(), variance.sqrt()[None]))
    )


ECOLI = Suite(
    name="ecoli",
    about="ecoli70: a published linear Gaussian network of 46 genes and 70 edges",
    source="Schaefer and Strimmer 2005; bnlearn repository (Scutari 2010)",
    licence="coefficients from a package under MIT; see bench/data/ECOLI70.md",
    kind=EcoliTask,
    axes={"scms": (5,), "n_context": (400,), "n_query": (400,), "reach": ("quantile",)},
    choices={"reach": REACHES},
    presets={
        "smoke": [{"scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"scms": (3,)}],
        "paper": [{"scms": (5,)}],
    },
)
