"""The seven continuous CSuite sets (Geffner et al. 2022) with several draws of each.

Variant `published` has the constants of the published Cond-FiP code, which in four sets are not
those of the CSuite release; variant `release` has these. The SCM of a set is the same in every
draw; its rows and its interventions are drawn afresh. Mahajan et al. 2025 show these sets in a
figure only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.scm.equations import Equation, EquationSCM, Gaussians
from bench.suite import Suite
from bench.suites.csuite_equations import EQUATIONS, RELEASE
from bench.suites.draws import BLOCK, REACHES, draw_rows, interventions
from bench.task import Dataset, Problem, Task, column_names, seed_of

VARIANTS = {"published": EQUATIONS, "release": RELEASE}


@dataclass(frozen=True, kw_only=True)
class CSuiteTask(Task):
    """One draw of one set; `scenario` is its name."""

    variant: str
    scenario: str
    n_context: int = 400
    n_query: int = 400
    reach: str = "quantile"

    scm_free = Task.scm_free | {"reach"}

    @property
    def size(self) -> tuple[int, int]:
        """See `Task`."""
        return len(self.equations), self.n_context

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The equations of the set, parents first."""
        return VARIANTS[self.variant][self.scenario]

    def problem(self) -> Problem:
        """Draws rows and interventions, each from a stream of its own; no prior is known."""
        stream = partial(seed_of, "csuite", self.variant, self.scenario, self.index, self.seed)
        names = column_names(len(self.equations))
        truth = EquationSCM(names, self.equations)
        draw = partial(_block, truth)
        _, context = draw_rows(draw, self.n_context, partial(stream, "context"))
        noise, query = draw_rows(draw, self.n_query, partial(stream, "query"))
        return Problem(
            data=Dataset(context, names, truth.adjacency),
            query_rows=query,
            truth=truth,
            query_noise_rows=noise,
            name=self.problem_name,
            clamps=interventions(names, query, stream("interventions"), self.reach),
        )


def _block(truth: EquationSCM, seed: int) -> tuple[np.ndarray, np.ndarray]:
    noise = truth.additive(truth.draw(BLOCK, np.random.default_rng(seed)))
    return noise, truth.generate(noise).to_numpy()


CSUITE = Suite(
    name="csuite",
    about="The seven continuous CSuite sets: small SCMs given by equations, 2 to 9 nodes",
    source="Geffner et al. 2022; constants of the code of Mahajan et al. 2025, or of the release",
    licence="MIT (generated)",
    kind=CSuiteTask,
    axes={
        "variant": ("published",),
        "scenario": tuple(EQUATIONS),
        "scms": (5,),
        "n_context": (400,),
        "n_query": (400,),
        "reach": ("quantile",),
    },
    presets={
        "smoke": [{"scms": (1,), "n_context": (50,), "n_query": (50,)}],
        "quick": [{"scms": (5,)}],
        "paper": [{"scms": (5,)}],
    },
    choices={"variant": tuple(VARIANTS), "scenario": tuple(EQUATIONS), "reach": REACHES},
)

SETS = ("large_backdoor", "weak_arrows")
MIXTURES = ((2, 1, 1), (2, 2, 2), (2, 1, 2), (5, 1, 1), (5, 2, 2), (5, 1, 2))
CASES: Mapping[str, tuple[str, Gaussians]] = {
    f"{name}_m{m}_s{s1}_s{s2}": (name, Gaussians(((-m, s1), (m, s2))))
    for name in SETS
    for m, s1, s2 in MIXTURES
}


@dataclass(frozen=True, kw_only=True)
class CSuiteGMMTask(CSuiteTask):
    """One draw of one case, named like large_backdoor_m2_s1_s2."""

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The set's equations with the case's noise."""
        name, mixture = CASES[self.scenario]
        return tuple(replace(equation, z=mixture) for equation in EQUATIONS[name])


CSUITE_GMM = replace(
    CSUITE,
    name="csuite-gmm",
    about="large_backdoor and weak_arrows with noise from mixtures of two Gaussians, 12 cases",
    source="mixtures: text of Mahajan et al. 2025 (its code has none); sets: Geffner et al. 2022",
    kind=CSuiteGMMTask,
    axes={**CSUITE.axes, "scenario": tuple(CASES)},
    choices={**CSUITE.choices, "variant": ("published",), "scenario": tuple(CASES)},
)
