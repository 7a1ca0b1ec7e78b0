"""Noise errors of a network in training on fixed problems, those of Cond-FiP's training."""

import csv
from pathlib import Path
from statistics import mean

from bench.task import Problem
from condfip.amortized.config import Config
from condfip.amortized.method import InContext
from condfip.amortized.model import InContextModel
from condfip.amortized.weights import Pretrained
from condfip.validate import every_node, fixed_problems, noise_error


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
            scenario: round(mean(_error(method, p) for p in problems), 5)
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
    return noise_error(every_node(method.fit_arrays(problem.data).mechanisms), problem)
