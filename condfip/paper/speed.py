"""How fast the paper's sizes are on this machine, beside its matrix-product rate."""

import contextlib
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.scm.graphs import draw_graphs
from bench.task import Dataset, column_names
from condfip.checkpoint import Checkpoint
from condfip.device import has_bfloat16
from condfip.paper.config import PAPER
from condfip.paper.method import CondFiP
from condfip.paper.model import CondFiPModel, Encoder
from condfip.paper.plain import PlainEncoder
from condfip.run import Run

ROWS = 400
BFLOAT16_GOAL = 3.5  # seconds of the encoder step


@dataclass(frozen=True)
class Figure:
    """What is measured.

    Attributes:
        name: for people. seconds: does it and says how long it took. goal: on two processor cores.
        plain: the same by the paper's formulas as they stand (`condfip.plain`).
    """

    name: str
    seconds: Callable[[], float]
    goal: float | None = None
    plain: Callable[[], float] | None = None


def report() -> None:
    """Prints each figure, its goal, and the rate of matrix products before and after."""
    cpu = torch.device("cpu")
    half = has_bfloat16(cpu)
    print(f"paper preset, random weights, {torch.get_num_threads()} threads, torch", end=" ")
    print(f"{torch.__version__}, training in {'bfloat16' if half else 'float32'}")
    print(f"matrix products: {rates(half)}")
    for figure in FIGURES:
        goal = BFLOAT16_GOAL if half and figure.name.startswith("encoder step") else figure.goal
        seconds, peak = _with_peak(figure.seconds)
        told = f"{figure.name:40s} {seconds:7.2f} s  {peak:5.1f} GiB at most"
        told += f"  (goal {goal:g} s)" if goal else ""
        if figure.plain:
            told += f"  {seconds / figure.plain():.2f} of the plain one"
        print(told, flush=True)
    print(f"matrix products: {rates(half)}")


def rates(half: bool) -> str:
    """Of matrix products, in bfloat16 too where the machine is fast at it."""
    kinds = {"float32": torch.float32} | ({"bfloat16": torch.bfloat16} if half else {})
    return ", ".join(f"{matrix_rate(kind):.0f} GFLOP/s in {name}" for name, kind in kinds.items())


def matrix_rate(kind: torch.dtype, size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of square products."""
    a = torch.randn(size, size, dtype=kind)
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


def encode(d: int, kind: type[Encoder] = Encoder) -> float:
    """Seconds of the encoder's forward pass, the published counterpart of which is known."""
    torch.manual_seed(0)
    return _read(kind(PAPER.model).eval(), d)


def embed(d: int) -> float:
    """Seconds to read a context: the encoder's tokens, then the decoder's own layers."""
    return _read(_method().loaded.model.embedding, d)


def _read(network: Callable[[Tensor, Tensor], object], d: int) -> float:
    data = _dataset(d)
    z = torch.as_tensor(data.rows, dtype=torch.float32)[None]
    graph = torch.from_numpy(data.adjacency)[None]
    with torch.inference_mode():
        return _seconds(lambda: network(z, graph))


def generate(d: int) -> float:
    """Seconds to generate `ROWS` rows from noise once a context was read."""
    data = _dataset(d)
    scm = _method().fit_arrays(data)
    noises = iter((data.rows[::-1], data.rows))  # an estimate keeps its last solution
    return _seconds(lambda: scm.generate(next(noises)))


def step(stage: str, kind: type[Encoder] = Encoder, chunk: int = 1) -> float:
    """Seconds of one optimiser step on 4 datasets, `chunk` held at a time."""
    torch.manual_seed(0)
    config = PAPER.with_stage(stage, {"batch": 4, "chunk": chunk}, {})
    model = CondFiPModel(config.model)
    model.encoder = kind(config.model)
    run = Run.start(stage, config, model)
    return _seconds(lambda: run.advance(torch.device("cpu")))


FIGURES = (
    Figure("encoder forward, d = 20", lambda: encode(20), None, lambda: encode(20, PlainEncoder)),
    Figure("encoder forward, d = 100", lambda: encode(100), 3.5, lambda: encode(100, PlainEncoder)),
    Figure("embed a context, d = 20", lambda: embed(20)),
    Figure("embed a context, d = 100", lambda: embed(100), 3.5),
    Figure("generate 400 rows, d = 20", lambda: generate(20), 1.0),
    Figure("generate 400 rows, d = 100", lambda: generate(100), 8.0),
    Figure(
        "encoder step, 4 datasets of 400 x 20",
        lambda: step("encoder"),
        7.0,
        lambda: step("encoder", PlainEncoder, 4),
    ),
    Figure("decoder step, 4 datasets of 400 x 20", lambda: step("decoder")),
)
