"""SCMs of the Lorch et al. 2022 prior, in and out of the distribution Cond-FiP is trained on.

Source: Lorch, Sussex, Rothfuss, Krause, Schoelkopf, "Amortized Inference for Causal Structure
Learning" (AVICI), NeurIPS 2022, table 3; evaluated as in Mahajan et al., "Amortized Inference of
Causal Models via Conditional Fixed-Point Iterations", TMLR 2025, tables 1-3 and 30. The
other suites of these SCMs set other axes: few rows, many rows, stretched ranges.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch

from bench.scm.base import AdditiveSCM, TrueSCM
from bench.scm.batched import BatchedSCM
from bench.scm.floor import Floor, bounds
from bench.scm.graphs import check_edges
from bench.scm.noise import NOISES
from bench.scm.prior import GRAPH_KINDS, SCENARIOS, SHIFTS, VARIANTS, Family, draw_scms
from bench.suite import Settings, Suite
from bench.suites.draws import REACHES, interventions, scm_rows
from bench.task import Dataset, Problem, Task, column_names, seed_of

SET = ("density", "noise_scale", "length_scale")  # in place of the prior's draws where not 0


@dataclass(frozen=True, kw_only=True)
class LorchTask(Task):
    """One draw of one cell of the prior.

    Attributes:
        variant, scenario, shift, alpha, noise: see `bench.scm.prior.Family`; alpha multiplies
            ranges, the draws within them stay the same.
        graph_kind: of `GRAPH_KINDS`.
        d: nodes.
        n_context, n_query: rows.
        reach: of `REACHES`, how far interventions go.
        density: edges per node.
        noise_scale, length_scale: of every node, see `Family`. 0: as the prior draws them.
    """

    variant: str
    scenario: str
    graph_kind: str
    d: int
    n_context: int = 400
    n_query: int = 400
    shift: str = ""
    alpha: float = 1.0
    noise: str = ""
    reach: str = "quantile"
    density: float = 0.0
    noise_scale: float = 0.0
    length_scale: float = 0.0

    family = "lorch"
    scm_free = Task.scm_free | {"shift", "alpha", "reach", *SET}

    @property
    def prior(self) -> Family:
        """The cell of the prior that the task's SCM is drawn from."""
        drawn = Family(self.scenario, self.variant, self.shift, self.alpha, self.noise)
        return replace(drawn, noise_scale=self.noise_scale, length_scale=self.length_scale)

    def problem(self) -> Problem:
        """Draws the SCM, its rows and its interventions, each from a stream of its own."""
        words = (
            "lorch",
            self.variant,
            self.scenario,
            self.graph_kind,
            self.d,
            self.index,
            self.seed,
        )
        stream = partial(seed_of, *words)
        cell = self.prior, self.graph_kind, self.d
        scm = draw_scms(*cell, 1, _generator(stream("scm")), self.density).to(torch.float64)
        _, context = scm_rows(scm, self.n_context, partial(stream, "context"))
        noise, query = scm_rows(scm, self.n_query, partial(stream, "query"))
        names = column_names(self.d)
        data = Dataset(context, names, scm.adjacency[0].numpy())
        return Problem(
            data=data,
            query_rows=query,
            truth=TrueSCM(names, scm),
            query_noise_rows=noise,
            name=self.problem_name,
            clamps=interventions(names, query, stream("interventions"), self.reach),
            make_floor=partial(_floor, self.prior, scm, data),
            bounds=bounds(scm, self.prior.draw),
        )


def _floor(family: Family, scm: BatchedSCM, data: Dataset) -> AdditiveSCM | None:
    floor = Floor(scm, family.draw, data.rows)
    if floor.unsettled:
        return None
    return AdditiveSCM(data.names, data.adjacency, floor, data.rows, floor.noise_variance**0.5)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settle(settings: Settings) -> Settings | None:
    """The settings without a shift by 1, and without lengths where nothing has one.

    Returns:
        None where the graph kind is of the other distribution.

    Raises:
        ValueError: an alpha that says not what it stretches; a density that graphs of the kind
            cannot have.
    """
    side = str(settings["scenario"]).split("_")[1]
    if settings["graph_kind"] not in GRAPH_KINDS[side]:
        return None
    check_edges(str(settings["graph_kind"]), float(settings["density"]))
    if str(settings["scenario"]).startswith("LIN"):
        settings = {**settings, "length_scale": 0.0}
    if settings["alpha"] == 1:
        return {**settings, "shift": ""}
    if not settings["shift"]:
        raise ValueError("alpha needs shift=mechanism or shift=noise")
    return settings


LORCH = Suite(
    name="lorch",
    about="Synthetic SCMs: linear and random-feature mechanisms, in and out of distribution",
    source="Lorch et al. 2022, table 3; Mahajan et al. 2025, tables 1-3, 30",
    licence="MIT (generated)",
    kind=LorchTask,
    axes={
        "variant": ("lorch",),
        "scenario": SCENARIOS,
        "graph_kind": GRAPH_KINDS["IN"] + GRAPH_KINDS["OUT"],
        "d": (10,),
        "scms": (3,),
        "n_context": (400,),
        "n_query": (400,),
        "shift": ("",),
        "alpha": (1.0,),
        "noise": ("",),
        "reach": ("quantile",),
        **dict.fromkeys(SET, (0.0,)),
    },
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"d": (10,), "scms": (3,)}, {"d": (20,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50, 100), "scms": (3,)}],
    },
    choices={
        "variant": VARIANTS,
        "scenario": SCENARIOS,
        "graph_kind": GRAPH_KINDS["IN"] + GRAPH_KINDS["OUT"],
        "shift": ("", *SHIFTS),
        "noise": ("", *NOISES),
        "reach": REACHES,
    },
    settle=settle,
)

ROWS = (20, 50, 100, 200, 400, 1000, 2000)

LORCH_LOWDATA = replace(
    LORCH,
    name="lorch-lowdata",
    about="The lorch SCMs with 20 to 2000 context rows; each context begins the next larger one",
    source="Mahajan et al. 2025, tables 10-15; 20, 1000 and 2000 rows are ours",
    axes={**LORCH.axes, "n_context": ROWS},
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (50, 100), "n_query": (50,)}],
        "quick": [{"d": (10,), "scms": (1,)}],
        "paper": [
            {"d": (10, 20), "scms": (3,)},
            {"d": (50, 100), "scms": (3,), "n_context": ROWS[:5]},
        ],
    },
)

LORCH_LARGE = replace(
    LORCH,
    name="lorch-large",
    about="The lorch SCMs with many context rows",
    source="Mahajan et al. 2025, tables 27-29 (1000 rows); 2000 rows are ours",
    axes={**LORCH.axes, "n_context": (1000, 2000)},
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (600,), "n_query": (50,)}],
        "quick": [{"d": (10,), "scms": (1,)}],
        "paper": [{"d": (10, 20), "scms": (3,)}],
    },
)

LORCH_SHIFT = replace(
    LORCH,
    name="lorch-shift",
    about="The lorch OUT SCMs with mechanisms' or noise's ranges multiplied by alpha",
    source="Mahajan et al. 2025, tables 4-9",
    axes={
        **LORCH.axes,
        "scenario": ("LIN_OUT", "RFF_OUT"),
        "shift": SHIFTS,
        "alpha": (1.0, 2.0, 5.0, 10.0),
    },
    presets={
        "smoke": [
            {"d": (10,), "scms": (1,), "n_context": (50,), "n_query": (50,), "alpha": (1.0, 5.0)}
        ],
        "quick": [{"d": (20,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50, 100), "scms": (3,)}],
    },
)

LORCH_REACH = replace(
    LORCH,
    name="lorch-reach",
    about="The lorch SCMs under interventions that go beyond the data",
    source="ours; see bench/docs/out-of-reach.md",
    axes={**LORCH.axes, "reach": REACHES},
    presets={
        "smoke": [
            {"d": (10,), "scms": (1,), "n_context": (50,), "n_query": (50,), "reach": REACHES[::4]}
        ],
        "quick": [{"d": (10,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50), "scms": (3,)}],
    },
)
