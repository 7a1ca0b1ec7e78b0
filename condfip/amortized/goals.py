"""What `python -m condfip goals` measures with: a line of its table, and methods on tasks."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.loaded import LoadedMethod
from bench.metrics import METRICS
from bench.registry import load_method, load_suite
from bench.task import Problem, Task, seed_of

OURS = "amortized-gp"
TASKS = ("noise", "sample", "intervention", "counterfactual")
REAL = ("residual", "mmd_query")

Scores = dict[str, dict[str, float]]  # task -> metric -> value


@dataclass(frozen=True)
class Goal:
    """One goal: where we should stand, and where we stand.

    Attributes:
        where: what was measured.
        bar: what it should be at most.
        value: what it is, NaN where it could not be measured.
        note: units, counts, or why not.
        met: whether it is enough, where that is not told by value and bar.
    """

    where: str
    bar: float
    value: float = math.nan
    note: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        """One row: verdict, where, value, bar, their ratio."""
        if math.isnan(self.value):
            return f"     {self.where:<44} {'':>8} {self.bar:>8.3g} {'':>7}  {self.note}"
        met = self.value <= self.bar if self.met is None else self.met
        verdict = "ok  " if met else "MISS"
        ratio = self.value / self.bar
        return (
            f"{verdict} {self.where:<44} {self.value:>8.3f} {self.bar:>8.3g} "
            f"{ratio:>7.3f}  {self.note}"
        )


HEADER = f"     {'goal':<44} {'value':>8} {'bar':>8} {'ratio':>7}"


@dataclass
class Bench:
    """Measures methods on tasks, each cell once.

    Attributes:
        checkpoint: of ours.
        seed: of the suites.
        scms: of each graph kind.
        dims: of the graphs.
        cache: folder where rivals' scores are kept between runs, None for none.
        figure: where the front is drawn, None for nowhere.
        rows: of the goal of that name.
    """

    checkpoint: Path
    seed: int = 0
    scms: int = 1
    dims: tuple[int, ...] = (10, 20)
    cache: Path | None = None
    figure: Path | None = None
    rows: int = 20_000

    def __post_init__(self) -> None:
        self.cells: dict[tuple[str, str], dict[str, float]] = {}

    @cached_property
    def ours(self) -> LoadedMethod:
        """Our method with the checkpoint under test."""
        return load_method("condfip.amortized.method:AmortizedGP", checkpoint=self.checkpoint)

    def method(self, name: str) -> LoadedMethod:
        """A rival by its name, or our method."""
        return self.ours if name == OURS else load_method(name)

    def tasks(self, **axes: Any) -> list[Task]:
        """Of the suite lorch; graphs of the first of the dims unless told otherwise."""
        return self.suite("lorch", **{"scms": [self.scms], "d": [self.dims[0]]} | axes)

    def suite(self, name: str, **axes: Any) -> list[Task]:
        """Tasks of any suite, with some axes set.

        Raises:
            ValueError: see `bench.registry.load_suite`.
        """
        return load_suite(name, seed=self.seed, **axes)

    @staticmethod
    def at_reach(task: Task, reach: str) -> Problem:
        """The task's problem with interventions so far beyond the data."""
        return type(task)(**{**vars(task), "reach": reach}).problem()

    def scores(self, name: str, tasks: Sequence[Task]) -> Scores:
        """Every metric of a method that applies, for each task."""
        return {task.name: self._cell(name, task) for task in tasks}

    def _cell(self, name: str, task: Task) -> dict[str, float]:
        if (task.name, name) not in self.cells:
            self.cells[task.name, name] = self._stored(name, task)
        return self.cells[task.name, name]

    def _stored(self, name: str, task: Task) -> dict[str, float]:
        if name == OURS or self.cache is None:
            return _measure(self.method(name), task.problem())
        path = self.cache / f"{seed_of(task.name, name)}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(_measure(self.method(name), task.problem())))
        return json.loads(path.read_text())


def _measure(method: LoadedMethod, problem: Problem) -> dict[str, float]:
    if method.skip(problem.data):
        return {}
    estimate = method.fit_problem(problem, 0)
    wanted = (name for name in (*TASKS, *REAL) if METRICS[name].applies(problem, estimate))
    return {name: METRICS[name].value(problem, estimate) for name in wanted}


def mean(scores: Scores, metric: str) -> float:
    """The mean of a metric over tasks."""
    return float(np.mean([values[metric] for values in scores.values()]))
