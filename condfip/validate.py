"""Scores of networks in training on fixed problems, through the same interface that users call."""

from collections.abc import Callable

import numpy as np

from bench.metrics.errors import rmse
from bench.suites.lorch import LorchTask
from bench.task import Problem

Answer = Callable[[np.ndarray], np.ndarray]

SEED = 1  # for choices; claims are of seed 2026
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


def mean_scores(
    problems: dict[str, list[Problem]], answer: Callable[[Problem], Answer]
) -> dict[str, float]:
    """Mean noise error of each scenario.

    Args:
        problems: by scenario. answer: learns from a problem's context; F of rows, [N, D] -> [N, D].
    """
    return {
        scenario: sum(noise_error(answer(p), p) for p in some) / len(some)
        for scenario, some in problems.items()
    }


def every_node(mechanisms: Callable[[np.ndarray, range], np.ndarray]) -> Answer:
    """The answer that F of all nodes gives, from mechanisms of chosen ones."""
    return lambda x: mechanisms(x, range(x.shape[1]))


def noise_error(answer: Answer, problem: Problem) -> float:
    """Error of the query rows' noise under an F of rows, [N, D] -> [N, D]."""
    x = problem.query_rows
    return rmse(x - answer(x) - problem.query_noise_rows, problem.scale)
