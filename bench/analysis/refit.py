"""The problems of a run made again from their names, and methods fitted to them again.

Results hold numbers only. What shows mechanisms or rows makes them anew: the same names give the
same problems and the same seeds.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import pandas as pd

from bench.registry import METHODS, SUITES, Unavailable, find_suite, load_method, names
from bench.run.environment import one_thread
from bench.scm.base import SCM
from bench.suite import Suite
from bench.task import Problem, Task, seed_of

FAST_S = 3.0  # methods that took longer to fit are not fitted again for a plot


def can_remake(frame: pd.DataFrame) -> bool:
    """Whether the problems are of a registered suite."""
    return set(frame["suite"]) <= set(names(SUITES))


def tasks_of(rows: pd.DataFrame) -> list[Task]:
    """The tasks of result rows, in their order, each once.

    Raises:
        ValueError: a suite has no such problem, now or any more.
    """
    firsts = rows.drop_duplicates("problem")
    return [_task(find_suite(row["suite"]), row) for _, row in firsts.iterrows()]


def _task(suite: Suite, row: pd.Series) -> Task:
    """Of the presets as they are, or with axes set as the row says (all choices where silent)."""
    given = {a: row[a] for a in suite.axes if a in row and row[a] != ""}
    given |= {a: suite.choices[a] for a in suite.axes if a not in row and a in suite.choices}
    scms = {"scms": int(row["index"]) + 1} if "scms" in suite.axes else {}
    seed = int(row["seed"])
    for preset in suite.presets:
        for axes in ({}, {**given, **scms}):
            for task in suite.tasks(preset, seed, **axes):
                if task.name == row["problem"]:
                    return task
    raise ValueError(f"{suite.name} makes no problem {row['problem']}")


def fast_methods(rows: pd.DataFrame) -> list[str]:
    """Registered methods that solved all problems of these rows and fitted them fast."""
    cells = rows[rows["status"] == "ok"].drop_duplicates(["problem", "method"])
    times, counts = cells.groupby("method")["fit_s"].mean(), cells["method"].value_counts()
    known, problems = set(names(METHODS)), rows["problem"].nunique()
    return [m for m in times.index if times[m] <= FAST_S and counts[m] == problems and m in known]


def fits(problem: Problem, task: Task, methods: Sequence[str]) -> Iterable[tuple[str, SCM]]:
    """(method, estimate) as the run made them, where a method is installed here too."""
    for name in methods:
        seed = seed_of(task.problem_name, name, task.seed)
        with one_thread(), suppress(Unavailable):
            yield name, load_method(name).fit_problem(problem, seed)
