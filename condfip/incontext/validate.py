"""Noise errors of a network in training on fixed problems, those of Cond-FiP's training."""

import csv
from pathlib import Path

from bench.metrics import rmse
from bench.task import Problem
from condfip.incontext.config import Config
from condfip.incontext.method import InContext
from condfip.incontext.model import InContextModel
from condfip.incontext.weights import Pretrained
from condfip.validate import fixed_problems


class Validation:
    """Scores networks and keeps the scores.

    Args:
        path: of the CSV file, one row a score: steps and tasks so far, mean errors by scenario.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.problems = path, fixed_problems()

    def add(self, model: InContextModel, config: Config, steps: int, tasks: int) -> None:
        """Scores a network and writes it down."""
        method = InContext.of(Pretrained(config, model, {}, ""))
        scores = {
            scenario: round(sum(_error(method, p) for p in problems) / len(problems), 5)
            for scenario, problems in self.problems.items()
        }
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "tasks", *scores])
            writer.writerow([steps, tasks, *scores.values()])
        print(f"step {steps}: {scores}", flush=True)


def _error(method: InContext, problem: Problem) -> float:
    mechanisms = method.fit_arrays(problem.data).mechanisms
    x = problem.query_rows
    answer = mechanisms(x, range(x.shape[1]))
    return rmse(x - answer - problem.query_noise_rows, problem.scale)
