"""`python -m condfip gate`: whether one training is better than another, problem by problem."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.registry import load_suite
from bench.task import Problem, Task
from condfip.checkpoint import Checkpoint, load
from condfip.paper.method import CondFiPPublished
from condfip.validate import every_node, noise_error

MET, MISSED = 0, 3
ERRORS = 2  # standard errors by which the logarithms must fall


def gate(old: Path, new: Path, seed: int, **axes: Any) -> int:
    """Prints a line a scenario and one over all; 0 where the gate is passed, else 3.

    Args:
        old, new: checkpoints of a training without a change and with it. seed: of the problems.
        axes: of the suite `lorch`.

    Raises:
        ValueError: see `condfip.checkpoint.load`.
    """
    logs = dict(_logs(load(old), load(new), load_suite("lorch", seed=seed, **axes)))
    print(f"{'':10s} {'new / old':>9s}  problems")
    for scenario, values in logs.items():
        print(f"{scenario:10s} {math.exp(np.mean(values)):9.4f}  {len(values)}")
    every = np.concatenate(list(logs.values()))
    mean, error = every.mean(), every.std(ddof=1) / len(every) ** 0.5
    passed = bool(mean < -ERRORS * error)
    low, high = (math.exp(mean + sign * ERRORS * error) for sign in (-1, 1))
    print(f"{'all':10s} {math.exp(mean):9.4f}  {len(every)}, {low:.4f} to {high:.4f} (2 SE)")
    print("passed" if passed else "not passed: not lower by two standard errors")
    return MET if passed else MISSED


def _logs(
    old: Checkpoint, new: Checkpoint, tasks: Sequence[Task]
) -> Iterator[tuple[str, list[float]]]:
    """Of each scenario, the logarithms of new over old error of the noise."""
    named = [(str(task.settings["scenario"]), task) for task in tasks]
    for scenario in dict(named):
        problems = [task.problem() for name, task in named if name == scenario]
        yield scenario, [math.log(_error(new, p) / _error(old, p)) for p in problems]


def _error(checkpoint: Checkpoint, problem: Problem) -> float:
    """Of the query rows' noise, the context read once."""
    mechanisms = CondFiPPublished.of(checkpoint).mechanisms(problem.data)
    return noise_error(every_node(mechanisms), problem)
