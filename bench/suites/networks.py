"""Published linear Gaussian networks of nature, with several draws of their rows.

Sources: arth150, Opgen-Rhein and Strimmer, "From Correlation to Causation Networks: a Simple
Approximate Learning Algorithm and its Application to High-Dimensional Plant Gene Expression Data",
BMC Systems Biology 1, 2007; magic-niab, Scutari, Howell, Balding, Mackay, "Multiple Quantitative
Trait Analysis Using Bayesian Networks", Genetics 198, 2014; magic-irri, Scutari, "Bayesian
Networks, MAGIC Populations and Multiple Trait Prediction", ICQG 2016. `bench/data/NETWORKS.md` says
where the files come from. A network is the truth, so that the four errors and the distances between
rows all apply; its reference is least squares, for no prior of the coefficients is known.
"""

from collections.abc import Callable
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
from bench.suites.smallest import SMALLEST
from bench.task import Dataset, Problem, Task, seed_of


@dataclass(frozen=True)
class Network:
    """The files of a network and its number of nodes."""

    nodes: ShippedFile
    edges: ShippedFile
    d: int

    def read(self) -> TrueSCM:
        """Reads the network's coefficients, in 64 bits.

        Raises:
            ValueError: a shipped file has changed.
        """
        nodes = self.nodes.rows()
        names = tuple(node["node"] for node in nodes)
        weights = torch.from_numpy(edge_weights(self.edges.rows(), names))
        intercept, variance = torch.from_numpy(columns(nodes, ("intercept", "variance"))).unbind(1)
        adjacency = (weights != 0)[None]
        plan = make_plan(adjacency)  # its dummy edge has the weight of 0 -> 0, which is 0
        mechanism = Linear(weights[plan.parent, plan.child], intercept.contiguous())
        noise = Noise(gaussian(), variance.sqrt()[None])
        return TrueSCM(names, BatchedSCM(adjacency, plan, mechanism, noise))

    def problem(
        self, stream: Callable[..., int], name: str, n_context: int, n_query: int, reach: str
    ) -> Problem:
        """Draws rows and interventions, each from a stream of its own."""
        truth = self.read()
        _, context = scm_rows(truth.scm, n_context, partial(stream, "context"))
        noise, query = scm_rows(truth.scm, n_query, partial(stream, "query"))
        data = Dataset(context, truth.names, truth.scm.adjacency[0].numpy())
        return Problem(
            data=data,
            query_rows=query,
            truth=truth,
            query_noise_rows=noise,
            name=name,
            clamps=interventions(truth.names, query, stream("interventions"), reach),
            make_floor=partial(least_squares, data),
            compare_rows=True,
        )


ECOLI70 = Network(
    ShippedFile(
        "ecoli70_nodes.csv", "b0eb8bd79502e7a3919f0d7c415c9fe4b5c195a8ae5c916060de9c758dbdec3a"
    ),
    ShippedFile(
        "ecoli70_edges.csv", "5c2e257f667b07cfb02b14a15c27af408bdd1e4d388de294a6e9bf84bcd35062"
    ),
    46,
)
NETWORKS = {
    "arth150": Network(
        ShippedFile(
            "arth150_nodes.csv", "aaa30d5b45794f919196c98f7251413709391f9e62d58800f27ab4d1a833fcb3"
        ),
        ShippedFile(
            "arth150_edges.csv", "f7a9d46b481f226ecafc877757a2123b83a55a8cf767bfe041f8fc22c6c33007"
        ),
        107,
    ),
    "magic-irri": Network(
        ShippedFile(
            "magic_irri_nodes.csv",
            "58b7554ff1f04b8b7388e6f68da6faef4d4537fd25c6bc0edf0ad3fd9bb57456",
        ),
        ShippedFile(
            "magic_irri_edges.csv",
            "3ef66ccafc1bb00c6739b40d951207bf81addc3ccaa5da4a660da861439643f3",
        ),
        64,
    ),
    "magic-niab": Network(
        ShippedFile(
            "magic_niab_nodes.csv",
            "5df4cb1204a9b2077829aae98fb506e771d6b4e50ab380b21b7f35e428a38e2f",
        ),
        ShippedFile(
            "magic_niab_edges.csv",
            "fe5f8d3467e74d5ab5078680b8462663a89f145cd685866e37a6a16d65ef0ef8",
        ),
        44,
    ),
}


@dataclass(frozen=True, kw_only=True)
class NetworkTask(Task):
    """One draw of a network's rows and interventions.

    Attributes:
        network: of `NETWORKS`.
        n_context, n_query: rows.
        reach: how far interventions go.
    """

    network: str
    n_context: int = 400
    n_query: int = 400
    reach: str = "quantile"

    scm_free = Task.scm_free | {"reach"}

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return NETWORKS[self.network].d, self.n_context

    def problem(self) -> Problem:
        """See `Network.problem`."""
        stream = partial(seed_of, self.network, self.index, self.seed)
        return NETWORKS[self.network].problem(
            stream, self.problem_name, self.n_context, self.n_query, self.reach
        )


GAUSSIAN = Suite(
    name="networks",
    about="Published Gaussian networks of 44 to 107 nodes: what a method loses where all is lines",
    source="Opgen-Rhein and Strimmer 2007; Scutari et al. 2014, 2016; bnlearn repository",
    licence="coefficients: CC BY-SA 3.0, as others say (package: MIT); see bench/data/NETWORKS.md",
    kind=NetworkTask,
    axes={
        "network": tuple(NETWORKS),
        "scms": (5,),
        "n_context": (400,),
        "n_query": (400,),
        "reach": ("quantile",),
    },
    choices={"network": tuple(NETWORKS), "reach": REACHES},
    presets={
        "smoke": [{**SMALLEST, "network": ("magic-niab",)}],
        "quick": [{"scms": (3,)}],
        "paper": [{"n_context": (50, 100, 400)}],
    },
)
