"""Timings of our own code, each beside a reference measured in the same run."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from bench.measure import Stopwatch, one_thread
from bench.registry import load_method, load_suite
from bench.scm.families import GRAPH_KINDS, Family, draw_scms
from bench.scm.model import SCM

ROWS = 400
BATCH = {20: 200, 100: 50}
SWEPT = {20: 8, 100: 1}


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


def _fit_seconds(name: str, problem: "object") -> float:
    with one_thread():
        load_method(name).fit(problem.context.iloc[:50], problem.graph)  # warm-up
        watch = Stopwatch()
        load_method(name).fit(problem.context, problem.graph)
        return watch.lap()


def _rate(generate: Callable[[SCM, Tensor], Tensor], d: int, batch: int) -> float:
    """Datasets/s over both mechanisms and all IN graphs, graphs and parameters drawn too."""
    generator = torch.Generator().manual_seed(0)
    cells = [(Family(s), k) for s in ("LIN_IN", "RFF_IN") for k in GRAPH_KINDS["IN"]]
    for timed in (False, True):
        watch = Stopwatch()
        for family, kind in cells:
            scm = draw_scms(family, kind, d, batch if timed else 1, generator)
            generate(scm, scm.noise_model.draw(ROWS, generator))
    return batch * len(cells) / watch.lap()


def _levels(scm: SCM, u: Tensor) -> Tensor:
    return scm.generate(u)


def _sweeps(scm: SCM, u: Tensor) -> Tensor:
    """x <- F(x) + u over all nodes, d times, as the fixed point is written down."""
    x = u
    for _ in range(u.shape[2]):
        x = scm.mechanisms(x) + u
    return x
