"""Timings of our own code, each beside a reference measured in the same run."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.method import fit_per_node
from bench.registry import load_method, load_suite
from bench.run.backends import loky
from bench.run.cell import Cell, run_cell
from bench.run.environment import Stopwatch, one_thread
from bench.run.grid import run_cells
from bench.scm.batched import BatchedSCM
from bench.scm.prior import GRAPH_KINDS, Family, draw_scms

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from bench.scm.base import AdditiveSCM

ROWS = 400
BATCH = {20: 200, 100: 50}
SWEPT = {20: 8, 100: 1}
ROUNDS, CELLS, LOOPS = 3, 12, 10_000_000


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
    """Seconds to fit one RFF_IN problem, one thread, beside least squares."""
    problem = load_suite("lorch", d=20, scenario="RFF_IN", graph_kind="er", scms=1)[0].problem()
    reference = _fit_seconds("linear", problem)
    for name in ("linear", "additive", "gp", "mlp", "boosting"):
        seconds = _fit_seconds(name, problem)
        ratio = f"ratio to linear {seconds / reference:.0f}"
        yield f"fit {name} d=20, {ROWS} rows, 1 thread: {seconds:.3f} s; {ratio}"


class Busy:
    """A method that does nothing but keep one core busy, for the same time on every problem."""

    def fit(self, df: "pd.DataFrame", graph: "nx.DiGraph", *, seed: int = 0) -> "AdditiveSCM":
        """The mean of each column, after a while."""
        for _ in range(LOOPS):
            pass
        return fit_per_node(df, graph, lambda _, child: lambda x: np.full(len(x), child.mean()))


def runner() -> Iterable[str]:
    """A warm cell in its child beside one in this process, and two workers beside one.

    Rounds alternate and the fastest counts, so that what else the machine does weighs less.
    """
    tasks = load_suite("lorch", "smoke", scms=2)
    short = [Cell(task, "marginal") for task in tasks]
    here, child = _fastest(_here, partial(_workers, 1), short)
    yield (
        f"runner, warm cell of marginal: {1000 * child / len(short):.0f} ms in a child, "
        f"{1000 * here / len(short):.0f} ms in process; "
        f"overhead {1000 * (child - here) / len(short):.0f} ms"
    )
    busy = [Cell(task, "bench.cli.speed:Busy") for task in tasks[:CELLS]]
    one, two = _fastest(partial(_workers, 1), partial(_workers, 2), busy)
    yield (
        f"runner, {CELLS} CPU-bound cells: {one:.2f} s with 1 worker, {two:.2f} s with 2; "
        f"ratio {one / two:.2f}"
    )


def _fastest(first: Callable, second: Callable, cells: Sequence[Cell]) -> tuple[float, float]:
    """Seconds of two ways to run cells, after an untimed round of each."""
    times = [(first(cells), second(cells)) for _ in range(ROUNDS + 1)][1:]
    return min(a for a, _ in times), min(b for _, b in times)


def _here(cells: Sequence[Cell]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        for cell in cells:
            run_cell(cell, Path(folder))
        return watch.lap()


def _workers(workers: int, cells: Sequence[Cell]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        for _ in run_cells(cells, Path(folder), partial(loky, workers=workers)):
            pass
        return watch.lap()


def _fit_seconds(name: str, problem: "object") -> float:
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
