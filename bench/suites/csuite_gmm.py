"""large_backdoor and weak_arrows of CSuite with two-humped noise, 12 cases.

Every node's z is drawn from an equal mixture of N(-m, s1) and N(m, s2), s standard deviations, as
in the published Cond-FiP code (Mahajan et al. 2025); the equations are those of `csuite`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.scm.equations import Equation, Gaussians
from bench.suites.csuite import CSUITE, CSuiteTask
from bench.suites.csuite_equations import EQUATIONS

SETS = ("large_backdoor", "weak_arrows")
MIXTURES = ((2, 1, 1), (2, 2, 2), (2, 1, 2), (5, 1, 1), (5, 2, 2), (5, 1, 2))
CASES: Mapping[str, tuple[str, Gaussians]] = {
    f"{name}_m{m}_s{s1}_s{s2}": (name, Gaussians(((-m, s1), (m, s2))))
    for name in SETS
    for m, s1, s2 in MIXTURES
}


@dataclass(frozen=True)
class CSuiteGMMTask(CSuiteTask):
    """One draw of one case, named like large_backdoor_m2_s1_s2."""

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The set's equations with the case's noise."""
        name, mixture = CASES[self.scenario]
        return tuple(replace(equation, z=mixture) for equation in EQUATIONS[name])


def make(scenario: str, **settings: object) -> CSuiteGMMTask:
    """One grid point."""
    d = len(EQUATIONS[CASES[scenario][0]])
    return CSuiteGMMTask("csuite-gmm", scenario, d=d, **settings)


CSUITE_GMM = replace(
    CSUITE,
    name="csuite-gmm",
    about="large_backdoor and weak_arrows with noise from mixtures of two Gaussians, 12 cases",
    source="Mahajan et al. 2025; equations of Geffner et al. 2022",
    axes={**CSUITE.axes, "scenario": tuple(CASES)},
    make=make,
    choices={**CSUITE.choices, "scenario": tuple(CASES)},
)
