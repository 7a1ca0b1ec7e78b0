"""Scores of networks in training on fixed problems, through the same interface that users call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from bench.method import StandardisedMechanisms
from bench.metrics import rmse
from bench.suites.lorch import LorchTask
from bench.task import Problem
from condfip.checkpoint import Checkpoint
from condfip.paper.method import CondFiPPublished

Answer = Callable[[np.ndarray], np.ndarray]

SEED = 1  # the benchmark's problems have seed 0
GRAPHS = {"IN": ("er", "sf_in", "sf_out"), "OUT": ("ws", "sbm")}


def fixed_problems(d: int = 10, rows: int = 400) -> dict[str, list[Problem]]:
    """One problem of each scenario and graph kind."""
    return {
        scenario: [
            LorchTask(
                suite="lorch",
                variant="lorch",
                scenario=scenario,
                graph_kind=kind,
                d=d,
                n_context=rows,
                n_query=rows,
                seed=SEED,
            ).problem()
            for kind in GRAPHS[scenario.split("_")[1]]
        ]
        for scenario in ("LIN_IN", "RFF_IN", "RFF_OUT")
    }


@dataclass(frozen=True)
class Validation:
    """Problems of each scenario, and the stage that is scored on them."""

    stage: str
    problems: dict[str, list[Problem]]

    @classmethod
    def of(cls, stage: str) -> Self:
        """On `fixed_problems`."""
        return cls(stage, fixed_problems())

    def scores(self, checkpoint: Checkpoint) -> dict[str, float]:
        """Mean noise error of each scenario; the encoder's is of its own rows."""
        method = CondFiPPublished.of(checkpoint)  # one reading
        return {
            scenario: sum(self._error(method, p) for p in problems) / len(problems)
            for scenario, problems in self.problems.items()
        }

    def _error(self, method: CondFiPPublished, problem: Problem) -> float:
        mechanisms = method.fit_arrays(problem.data).mechanisms
        answer = mechanisms.smoothed if self.stage == "encoder" else every_node(mechanisms)
        return noise_error(answer, problem)


def every_node(mechanisms: StandardisedMechanisms) -> Answer:
    """F of all nodes."""
    return lambda x: mechanisms(x, range(x.shape[1]))


def noise_error(answer: Answer, problem: Problem) -> float:
    """Error of the query rows' noise under an F of rows, [N, D] -> [N, D]."""
    x = problem.query_rows
    return rmse(x - answer(x) - problem.query_noise_rows, problem.scale)
