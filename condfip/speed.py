"""How fast the paper's sizes are on this machine, beside its matrix-product rate."""

import contextlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.scm.graphs import draw_graphs
from bench.task import Dataset, column_names
from condfip.checkpoint import Checkpoint
from condfip.config import PAPER
from condfip.device import has_bfloat16
from condfip.method import CondFiP
from condfip.model import CondFiPModel
from condfip.run import Run

ROWS = 400
GOALS = {  # seconds on two processor cores
    "embed a context, d = 20": None,
    "embed a context, d = 100": 3.5,
    "generate 400 rows, d = 20": 1.0,
    "generate 400 rows, d = 100": 8.0,
    "encoder step, 4 datasets of 400 x 20": 7.0,
    "decoder step, 4 datasets of 400 x 20": None,
}
BFLOAT16_GOAL = 3.5  # of the encoder step


def report() -> None:
    """Prints each figure, its goal, and the rate of matrix products before and after."""
    cpu = torch.device("cpu")
    half = has_bfloat16(cpu)
    print(f"paper preset, random weights, {torch.get_num_threads()} threads, torch", end=" ")
    print(f"{torch.__version__}, training in {'bfloat16' if half else 'float32'}")
    print(f"matrix products: {matrix_rate():.0f} GFLOP/s in float32")
    for name, goal in GOALS.items():
        goal = BFLOAT16_GOAL if half and name.startswith("encoder step") else goal
        seconds, peak = _with_peak(MEASURES[name])
        aim = f"(goal {goal:g} s)" if goal else ""
        print(f"{name:40s} {seconds:7.2f} s  {peak:5.1f} GiB at most  {aim}", flush=True)
    print(f"matrix products: {matrix_rate():.0f} GFLOP/s in float32")


def matrix_rate(size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of square float32 products."""
    a = torch.randn(size, size)
    seconds = _seconds(lambda: [a @ a for _ in range(repeats)])
    return 2 * size**3 * repeats / seconds / 1e9


def _seconds(act: Callable[[], object]) -> float:
    act()
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _with_peak(measure: Callable[[], float]) -> tuple[float, float]:
    """Seconds, and the process's peak of resident memory in GiB (reset before, where possible)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    seconds = measure()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM")).split()[1]
        return seconds, int(peak) / 2**20
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _method() -> CondFiP:
    torch.manual_seed(0)
    return CondFiP.of(Checkpoint(PAPER, CondFiPModel(PAPER.model).eval()))


def _dataset(d: int) -> Dataset:
    generator = torch.Generator().manual_seed(d)
    adjacency = draw_graphs("er", 1, d, generator)[0].numpy()
    rows = np.random.default_rng(d).standard_normal((ROWS, d))
    return Dataset(rows, column_names(d), adjacency)


def embed(d: int) -> float:
    """Seconds to read a context; the residuals that `fit` also makes are left out."""
    method, data = _method(), _dataset(d)
    z = torch.as_tensor(data.rows, dtype=torch.float32)[None]
    graph = torch.from_numpy(data.adjacency)[None]
    with torch.inference_mode():
        return _seconds(lambda: method.loaded.model.embedding(z, graph))


def generate(d: int) -> float:
    """Seconds to generate `ROWS` rows from noise once a context was read."""
    data = _dataset(d)
    scm = _method().fit_arrays(data)
    return _seconds(lambda: scm.generate(data.rows))


def step(stage: str) -> float:
    """Seconds of one optimiser step on 4 datasets, one held at a time."""
    torch.manual_seed(0)
    config = PAPER.with_stage(stage, {"batch": 4, "chunk": 1}, {})
    run = Run.start(stage, config, CondFiPModel(config.model))
    return _seconds(lambda: run.advance(torch.device("cpu")))


MEASURES: dict[str, Callable[[], float]] = {
    "embed a context, d = 20": lambda: embed(20),
    "embed a context, d = 100": lambda: embed(100),
    "generate 400 rows, d = 20": lambda: generate(20),
    "generate 400 rows, d = 100": lambda: generate(100),
    "encoder step, 4 datasets of 400 x 20": lambda: step("encoder"),
    "decoder step, 4 datasets of 400 x 20": lambda: step("decoder"),
}
