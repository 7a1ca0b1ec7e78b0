"""The problems of a run made again from their settings, and methods fitted to them again.

Results hold numbers only. What shows mechanisms or rows makes them anew: the same settings give the
same problems and the same seeds.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

import pandas as pd

from bench.analysis.results import methods_of
from bench.registry import METHODS, SUITES, Unavailable, find_suite, load_method, names
from bench.run.environment import one_thread
from bench.scm.base import SCM
from bench.task import Problem, Task, seed_of

FAST_S = 3.0  # methods that took longer to fit are not fitted again for a plot


def can_remake(frame: pd.DataFrame) -> bool:
    """Whether the problems are of a registered suite."""
    return set(frame["suite"]) <= set(names(SUITES))


def tasks_of(rows: pd.DataFrame) -> list[Task]:
    """The tasks of result rows, in their order, each once.

    Raises:
        ValueError: a suite has no such settings any more.
    """
    firsts = rows.drop_duplicates(["suite", "task"])
    return [
        find_suite(suite).task(json.loads(settings))
        for suite, settings in zip(firsts["suite"], firsts["settings"], strict=True)
    ]


def fast_methods(rows: pd.DataFrame) -> list[str]:
    """Registered methods that solved all problems of these rows and fitted them fast."""
    cells = rows[rows["status"] == "ok"].drop_duplicates(["task", "method"])
    times, counts = cells.groupby("method")["fit_s"].mean(), cells["method"].value_counts()
    known, tasks = set(names(METHODS)), rows["task"].nunique()
    return [
        m for m in methods_of(cells) if times[m] <= FAST_S and counts[m] == tasks and m in known
    ]


def fits(problem: Problem, task: Task, methods: Sequence[str]) -> Iterable[tuple[str, SCM]]:
    """(method, estimate) as the run made them, where a method is installed here too."""
    for name in methods:
        seed = method_seed(task, name)
        with one_thread(), suppress(Unavailable):
            yield name, load_method(name).fit_problem(problem, seed)


def method_seed(task: Task, method: str) -> int:
    """The seed of a method's own randomness on a task, as in the run."""
    return seed_of(task.problem_name, method, task.seed)
