"""Error against seconds, side by side in one run."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics import METRICS
from bench.task import Problem
from condfip.amortized.goals import OURS, TASKS, Bench, Goal
from condfip.figure import write_figure

if TYPE_CHECKING:
    from bench.loaded import LoadedMethod

ALL_ROWS = (100, 400, 1000)
NAMES = ("gp", "gp-fast", OURS)

Point = tuple[float, float]  # seconds, error


def seconds(method: "LoadedMethod", problem: Problem) -> Point:
    """Of the processor, for a fit and all queries; and the error of the noise."""
    problem.interventions  # noqa: B018 - the truth's own time does not count
    start = time.process_time()
    estimate = method.fit_problem(problem, 0)
    errors = [METRICS[metric].value(problem, estimate) for metric in TASKS]
    return time.process_time() - start, errors[0]


def front(bench: Bench) -> Iterator[Goal]:
    """gp in all its steps and in few, and ours, on random features; the bar is gp's error."""
    d, points = bench.dims[-1], {}
    for n in ALL_ROWS:
        tasks = bench.tasks(scenario=["RFF_IN"], d=[d], n_context=[n])
        for name in NAMES:
            both = [seconds(bench.method(name), task.problem()) for task in tasks]
            points[name, n] = tuple(np.mean(both, 0).tolist())
        for name in NAMES:
            (spent, error), (theirs, bar) = points[name, n], points["gp", n]
            note = f"{spent:.2f} s, gp's over these {theirs / spent:.1f}, {len(tasks)} SCMs"
            yield Goal(f"d={d} n={n} noise error, {name}", bar, error, note)
    if bench.figure:
        draw(points, d, bench.figure)


def draw(points: Mapping[tuple[str, int], Point], d: int, out: Path) -> None:
    """A line a method, a point a number of rows."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name in NAMES:
        axes.plot(*zip(*(points[name, n] for n in ALL_ROWS), strict=True), "o-", label=name)
    for n in ALL_ROWS:
        axes.annotate(f"  {n} rows", points["gp", n], fontsize=8, va="bottom")
    axes.set(xscale="log", yscale="log", xlabel="processor seconds, a fit and all queries")
    axes.margins(x=0.2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    axes.set_ylabel(f"noise error, RFF_IN, d = {d}")
    axes.legend()
    write_figure(figure, out, dpi=130)
