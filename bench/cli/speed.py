"""Timings of our own code, each beside a reference measured in the same run."""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from bench.method import fit_per_node
from bench.metrics import METRICS
from bench.registry import declared, default_methods, load_method, load_suite
from bench.run.backends import threads
from bench.run.cell import Cell
from bench.run.environment import Stopwatch, one_thread
from bench.run.grid import run_cells
from bench.run.isolation.supervisor import isolated
from bench.run.isolation.workers import stop_run
from bench.run.records import RecordFile
from bench.scm.batched import BatchedSCM
from bench.scm.prior import GRAPH_KINDS, Family, draw_scms
from bench.task import Problem

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from bench.scm.base import AdditiveSCM

ROWS = 400
BATCH = {20: 200, 100: 50}
SWEPT = {20: 8, 100: 1}
CELLS, LOOPS, RUN = 12, 10_000_000, "speed"
REPEATS = 3  # the fastest counts: what else the machine does is not ours


def simulator() -> Iterable[str]:
    """Datasets/s of the simulator, LIN and RFF on every IN graph, and of plain sweeps."""
    for d in BATCH:
        ours = _rate(_levels, d, BATCH[d])
        plain = _rate(_sweeps, d, SWEPT[d])
        yield (
            f"simulator d={d}, {ROWS} rows, LIN and RFF mixed, {torch.get_num_threads()} threads: "
            f"{ours:.0f} datasets/s; plain d sweeps {plain:.2f}/s; ratio {ours / plain:.0f}"
        )


def methods() -> Iterable[str]:
    """Seconds to fit one RFF_IN problem, one thread, each default baseline beside the fastest."""
    problem = load_suite("lorch", d=20, scenario="RFF_IN", graph_kind="er", scms=1)[0].problem()
    known = [n for n in default_methods() if declared(n).get("role", "baseline") == "baseline"]
    seconds = {name: _fit_seconds(name, problem) for name in known}
    fastest = min(seconds, key=seconds.__getitem__)
    for name, taken in seconds.items():
        ratio = f"ratio to {fastest} {taken / seconds[fastest]:.0f}"
        yield f"fit {name} d=20, {ROWS} rows, 1 thread: {taken:.3f} s; {ratio}"


def runner() -> Iterable[str]:
    """What a cell costs beyond its own work, and two workers beside one."""
    tasks = load_suite("lorch", "smoke", scms=2)
    short = [Cell(task, "bench.cli.speed:Means") for task in tasks]
    there, here = _alone(short), [_here(cell) for cell in short]
    extra = [1000 * (a - b) for a, b in zip(there, here, strict=True)]
    yield (
        f"runner, warm cell, median of {len(short)}: {1000 * median(there):.0f} ms in "
        f"processes of its own, {1000 * median(here):.0f} ms in this one; "
        f"overhead {median(extra):.0f} ms"
    )
    busy = [Cell(task, "bench.cli.speed:Busy") for task in tasks[:CELLS]]
    one, two = (_grid(workers, busy) for workers in (1, 2))
    yield (
        f"runner, {CELLS} CPU-bound cells: {one:.2f} s with 1 worker, {two:.2f} s with 2; "
        f"ratio {one / two:.2f}"
    )


def workers() -> Iterable[str]:
    """How many short cells a second go through as workers grow."""
    short = [Cell(t, "bench.cli.speed:Means") for t in load_suite("lorch", "smoke", scms=4)]
    for count in dict.fromkeys((1, 2, os.cpu_count() or 1)):
        seconds = _grid(count, short)
        yield (
            f"runner, {len(short)} short cells, {count} workers: "
            f"{len(short) / seconds:.1f} cells/s, "
            f"{1000 * seconds * count / len(short):.0f} ms of a worker a cell"
        )


class Means:
    """A method that takes the mean of each column."""

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "AdditiveSCM":
        """Gives an estimate whose mechanisms are the columns' means."""
        return fit_per_node(df, graph, lambda _, child: lambda x: np.full(len(x), child.mean()))


class Busy(Means):
    """The same after it kept one core busy, for the same time on every problem."""

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "AdditiveSCM":
        """Fits as `Means`, after as many empty rounds as take the time of a real fit."""
        for _ in range(LOOPS):
            pass
        return super().fit(df, graph, seed=seed)


def _alone(cells: Sequence[Cell]) -> list[float]:
    """Seconds of each cell in processes of its own, its problem made and its method warm."""
    seconds = []
    try:
        for cell in cells:
            isolated(cell.job(0, RUN))
            seconds.append(min(_lap(lambda: isolated(cell.job(0, RUN))) for _ in range(REPEATS)))  # noqa: B023
    finally:
        stop_run(RUN)
    return seconds


def _here(cell: Cell) -> float:
    """Seconds of the same work in this process."""
    problem = cell.task.problem()
    _ = problem.interventions
    method = load_method(cell.method)
    with one_thread():
        taken = []
        for _ in range(1 + REPEATS):
            watch = Stopwatch()
            estimate = method.fit_problem(problem, cell.seed)
            for metric in METRICS.values():
                if metric.applies(problem, estimate):
                    metric.value(problem, estimate)
            taken.append(watch.lap())
    return min(taken)


def _lap(work: Callable[[], object]) -> float:
    watch = Stopwatch()
    work()
    return watch.lap()


def _grid(workers: int, cells: Sequence[Cell]) -> float:
    """Seconds of a grid whose workers are warm; a run that has ended takes no cell again."""
    run = f"{RUN}-{uuid4().hex}"
    with tempfile.TemporaryDirectory() as folder, RecordFile(Path(folder)) as file:
        answers = run_cells(
            [*cells[:workers], *cells], file, partial(threads, workers=workers), run
        )
        for done, _ in enumerate(answers, 1):
            if done == workers:
                watch = Stopwatch()
        return watch.lap()


def _fit_seconds(name: str, problem: Problem) -> float:
    with one_thread():
        load_method(name).fit(problem.context.iloc[:50], problem.graph)  # warm-up
        watch = Stopwatch()
        load_method(name).fit(problem.context, problem.graph)
        return watch.lap()


def _rate(generate: Callable[[BatchedSCM, Tensor], Tensor], d: int, batch: int) -> float:
    """Datasets/s over both mechanisms and all IN graphs, graphs and parameters drawn too."""
    generator = torch.Generator().manual_seed(0)
    cells = [(Family(s), k) for s in ("LIN_IN", "RFF_IN") for k in GRAPH_KINDS["IN"]]
    for timed in (False, True):
        watch = Stopwatch()
        for family, kind in cells:
            scm = draw_scms(family, kind, d, batch if timed else 1, generator)
            generate(scm, scm.noise_model.draw(ROWS, generator))
    return batch * len(cells) / watch.lap()


def _levels(scm: BatchedSCM, u: Tensor) -> Tensor:
    return scm.generate(u)


def _sweeps(scm: BatchedSCM, u: Tensor) -> Tensor:
    """x <- F(x) + u over all nodes, d times, as the fixed point is written down."""
    x = u
    for _ in range(u.shape[2]):
        x = scm.mechanisms(x) + u
    return x
