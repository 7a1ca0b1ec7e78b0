"""`python -m condfip gate`: whether one training is better than another, problem by problem."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.metrics.errors import rmse
from bench.registry import load_suite
from bench.task import Problem, Task
from condfip.checkpoint import Checkpoint, load
from condfip.paper.method import CondFiPPublished
from condfip.validate import every_node

MET, MISSED = 0, 3
CLASSES = {"none": (0, 0), "1": (1, 1), "2 or 3": (2, 3), "4 or more": (4, math.inf)}  # of parents
ERRORS = 2  # standard errors by which the logarithms must fall


def gate(old: Path, new: Path, seed: int, **axes: Any) -> int:
    """Prints a line a scenario, one over all, and one for nodes of few and of many parents.

    Args:
        old, new: checkpoints of a training without a change and with it. seed: of the problems.
        axes: of the suite `lorch`.

    Returns:
        0 where the gate is passed, else 3.

    Raises:
        ValueError: see `condfip.checkpoint.load`.
    """
    seen = [_Pair.of(load(old), load(new), t) for t in load_suite("lorch", seed=seed, **axes)]
    logs, names = np.array([pair.log for pair in seen]), [pair.scenario for pair in seen]
    print(f"{'':10s} {'new / old':>9s}  problems")
    for scenario in dict.fromkeys(names):
        values = logs[np.array(names) == scenario]
        print(f"{scenario:10s} {math.exp(values.mean()):9.4f}  {len(values)}")
    mean, error = logs.mean(), logs.std(ddof=1) / len(logs) ** 0.5
    low, high = (math.exp(mean + sign * ERRORS * error) for sign in (-1, 1))
    print(f"{'all':10s} {math.exp(mean):9.4f}  {len(logs)}, {low:.4f} to {high:.4f} (2 SE)\n")
    print(f"{'parents':10s} {'new / old':>9s}  nodes, root mean square of old and of new")
    parents, squares = (np.concatenate(told) for told in zip(*(p.nodes for p in seen), strict=True))
    for name, (least, most) in CLASSES.items():
        some = squares[(least <= parents) & (parents <= most)]
        if len(some):
            a, b = some.mean(0) ** 0.5
            print(f"{name:10s} {b / a:9.4f}  {len(some)}, {a:.4f} and {b:.4f}")
    passed = bool(mean < -ERRORS * error)
    print("\npassed" if passed else "\nnot passed: not lower by two standard errors")
    return MET if passed else MISSED


@dataclass(frozen=True)
class _Pair:
    """Errors of the noise of a problem's query rows by two networks, the context read once.

    Attributes:
        scenario: of the problem. log: of new over old error. nodes: numbers of parents, [D], and
            mean squares of the nodes' errors, old and new, [D, 2].
    """

    scenario: str
    log: float
    nodes: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, old: Checkpoint, new: Checkpoint, task: Task) -> Self:
        problem = task.problem()
        errors = [_errors(checkpoint, problem) for checkpoint in (old, new)]
        a, b = (rmse(error, problem.scale) for error in errors)
        squares = np.square(np.array(errors) / problem.scale).mean(1).T
        nodes = problem.data.adjacency.sum(0), squares
        return cls(str(task.settings["scenario"]), math.log(b / a), nodes)


def _errors(checkpoint: Checkpoint, problem: Problem) -> np.ndarray:
    """Of each row and node, [N, D]."""
    x = problem.query_rows
    answer = every_node(CondFiPPublished.of(checkpoint).mechanisms(problem.data))
    return x - answer(x) - problem.query_noise_rows
