"""SCMs of the Lorch et al. 2022 prior, in and out of the distribution Cond-FiP is trained on.

Source: Lorch, Sussex, Rothfuss, Krause, Schoelkopf, "Amortized Inference for Causal Structure
Learning" (AVICI), NeurIPS 2022, table 3; evaluated as in Mahajan et al., "Amortized Inference of
Causal Models via Conditional Fixed-Point Iterations", TMLR 2025, tables 1-3 and 30.
"""

from dataclasses import dataclass
from functools import partial

import torch

from bench.scm.base import AdditiveSCM, TrueSCM
from bench.scm.batched import BatchedSCM
from bench.scm.floor import Floor
from bench.scm.noise import NOISES
from bench.scm.prior import GRAPH_KINDS, SCENARIOS, SHIFTS, VARIANTS, Family, draw_scms
from bench.suite import Suite
from bench.suites.draws import interventions, scm_rows
from bench.task import Dataset, Problem, Task, column_names, seed_of


@dataclass(frozen=True)
class LorchTask(Task):
    """One draw of one cell of the prior; see `Task` for the settings."""

    @property
    def family(self) -> Family:
        """The cell of the prior."""
        return Family(self.scenario, self.variant, self.shift, self.alpha, self.noise)

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
        scm = draw_scms(self.family, self.graph_kind, self.d, 1, _generator(stream("scm")))
        scm = scm.to(torch.float64)
        _, context = scm_rows(scm, self.n_context, partial(stream, "context"))
        noise, query = scm_rows(scm, self.n_query, partial(stream, "query"))
        names = column_names(self.d)
        data = Dataset(context, names, scm.adjacency[0].numpy())
        return Problem(
            data=data,
            query_rows=query,
            truth=TrueSCM(names, scm),
            query_noise_rows=noise,
            clamps=interventions(names, query, stream("interventions")),
            make_floor=partial(_floor, self.family, scm, data),
        )


def _floor(family: Family, scm: BatchedSCM, data: Dataset) -> AdditiveSCM:
    floor = Floor(scm, family.draw, data.rows)
    return AdditiveSCM(data.names, data.adjacency, floor, data.rows, floor.noise_variance**0.5)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(
    suite: str,
    scenario: str,
    graph_kind: str,
    shift: str = "",
    alpha: float = 1.0,
    **settings: object,
) -> LorchTask | None:
    """One grid point, or None where the graph kind belongs to the other distribution."""
    if graph_kind not in GRAPH_KINDS[scenario.split("_")[1]]:
        return None
    if alpha != 1 and not shift:
        raise ValueError("alpha needs shift=mechanism or shift=noise")
    shift = shift if alpha != 1 else ""
    return LorchTask(suite, scenario, graph_kind, shift=shift, alpha=alpha, **settings)


LORCH = Suite(
    name="lorch",
    about="Synthetic SCMs: linear and random-feature mechanisms, in and out of distribution",
    source="Lorch et al. 2022, table 3; Mahajan et al. 2025, tables 1-3, 30",
    licence="MIT (generated)",
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
    },
    presets={
        "smoke": [{"d": (10,), "scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"d": (10,), "scms": (3,)}, {"d": (20,), "scms": (1,)}],
        "paper": [{"d": (10, 20, 50, 100), "scms": (3,)}],
    },
    make=partial(make, "lorch"),
    choices={
        "variant": VARIANTS,
        "scenario": SCENARIOS,
        "graph_kind": GRAPH_KINDS["IN"] + GRAPH_KINDS["OUT"],
        "shift": SHIFTS,
        "noise": tuple(NOISES),
    },
)
