"""How fast training is, beside the network written plainly; and the paper's sizes, on request."""

import contextlib
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.scm.graphs import draw_graphs
from bench.task import Dataset, column_names
from condfip.checkpoint import Checkpoint
from condfip.device import has_bfloat16, keep_memory
from condfip.paper.config import JOINT, PAPER, SMALL, STAGES, Config, ModelConfig, StageConfig
from condfip.paper.encoder import Encoder
from condfip.paper.method import CondFiP
from condfip.paper.model import CondFiPModel
from condfip.paper.plain import PlainEncoder, PlainModel
from condfip.paper.stage import ENCODER_WEIGHT, LOSSES, Stage, make_optimisers
from condfip.prior import Batch, draw_batch
from condfip.run import Run

ROWS = 400
BFLOAT16_GOAL = 3.5  # seconds of the encoder step
DATASETS, NODES, CONTEXT, QUERIES, ROUNDS = 8, 14, 256, 256, 5
SIZES = ModelConfig(
    width=64,
    hidden=128,
    encoder_layers=3,
    encoder_heads=4,
    encoder_head=16,
    readout=64,
    decoder_heads=4,
    decoder_head=16,
)


@dataclass(frozen=True)
class Figure:
    """One thing that is measured.

    Attributes:
        name: for people.
        seconds: does it and says how long it took.
        goal: on two processor cores.
        plain: the same by the paper's formulas as they stand (`condfip.paper.plain`).
    """

    name: str
    seconds: Callable[[], float]
    goal: float | None = None
    plain: Callable[[], float] | None = None


def report(paper: bool, workers: int = 1) -> None:
    """Prints training's datasets a second; also what further workers give, and the paper's sizes
    with their goals if `paper`.
    """
    half = has_bfloat16(torch.device("cpu"))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__},", end=" ")
    print(f"training in {'bfloat16' if half else 'float32'}; matrix products: {rates(half)}")
    print(f"training, {DATASETS} datasets of {NODES} nodes, {CONTEXT} + {QUERIES} rows, width 64:")
    for stage, (plain, fast) in training_speed().items():
        print(
            f"{stage:8s} {DATASETS / fast:6.2f} datasets/s, {DATASETS / plain:6.2f} "
            f"written plainly: {plain / fast:.2f} times as many (goal 1.7)",
            flush=True,
        )
    if workers > 1:
        for stage, (one, many) in workers_speed(workers).items():
            print(f"{stage:8s} {one / many:.2f} times as many with {workers} workers", flush=True)
    if paper:
        _paper(half)
    print(f"matrix products: {rates(half)}")


Steps = dict[str, tuple[Callable[[], object], Callable[[], object]]]


def training_speed(rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Least seconds of work of a training step of each stage over some rounds: plain and ours."""
    steps = {stage: (plain_step(stage), our_step(stage)) for stage in (*STAGES, JOINT)}
    return _least(steps, _work, rounds)


def workers_speed(count: int, rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Seconds on the clock of a training step of each stage: one worker and `count`, as above."""
    steps = {stage: (our_step(stage), our_step(stage, count)) for stage in (*STAGES, JOINT)}
    return _least(steps, _elapsed, rounds)


def _least(
    steps: Steps, clock: Callable[[Callable[[], object]], float], rounds: int
) -> dict[str, tuple[float, float]]:
    """Rounds alternate, so that a busy machine is busy for both."""
    best = dict.fromkeys(steps, (float("inf"), float("inf")))
    for _ in range(rounds):
        for stage, (one, other) in steps.items():
            best[stage] = min(best[stage][0], clock(one)), min(best[stage][1], clock(other))
        keep_memory()
    return best


def _work(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def _elapsed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _training(stage: str) -> Config:
    queries = 0 if stage == "encoder" else QUERIES
    prior = {"nodes": (NODES,), "rows": (CONTEXT,), "queries": queries, "tokens": 0, "grow": 0}
    settings = {"batch": DATASETS, "chunk": 2, "mask_roots": True, "effect": 0.0}
    return replace(SMALL, model=SIZES).with_stage(stage, settings, prior)


def our_step(stage: str, workers: int = 1) -> Callable[[], object]:
    """One step of training, as `condfip train` does it."""
    torch.manual_seed(0)
    config = _training(stage)
    run = Run.start(Stage(stage, config, CondFiPModel(config.model), 0, {}, workers))

    def act() -> None:
        run.step = 0  # the same datasets every time
        run.advance(torch.device("cpu"))

    return act


def plain_step(stage: str) -> Callable[[], object]:
    """The same datasets and optimisers; plain networks in float32, all datasets at once."""
    torch.manual_seed(0)
    config = _training(stage)
    model, settings = PlainModel(config.model), getattr(config, stage)
    trainee = Stage(stage, config, model, 0, {})
    optimisers = make_optimisers(trainee.trained(model), settings)

    def act() -> None:
        batch = draw_batch(settings.prior, DATASETS, torch.Generator().manual_seed(0))
        plain_loss(stage, model, batch, settings).mean().backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()

    return act


def plain_loss(stage: str, model: PlainModel, batch: Batch, config: StageConfig) -> Tensor:
    """The published losses over all nodes, roots too: [B]."""
    config = replace(config, mask_roots=False)
    if stage == "encoder":
        return LOSSES[stage](model, batch, config, 0.0)
    context, queries = batch.rows.split([batch.context, len(batch.rows[0]) - batch.context], 1)
    with torch.set_grad_enabled(stage == JOINT):
        tokens = model.encoder.tokens(context, batch.adjacency)
    data = model.decoder.embedding(tokens, batch.adjacency)
    error = model.decoder(queries, data, batch.adjacency) - batch.target[:, batch.context :]
    loss = error.square().mean((1, 2)).sqrt()
    if stage == JOINT:
        smoothed = model.encoder.read(tokens) - batch.target[:, : batch.context]
        loss = loss + ENCODER_WEIGHT * smoothed.square().mean(2).sqrt().mean(1)
    return loss


def _paper(half: bool) -> None:
    """Prints the figures of the paper's sizes."""
    print("paper preset, random weights:")
    for figure in FIGURES:
        goal = BFLOAT16_GOAL if half and figure.name.startswith("encoder step") else figure.goal
        seconds, peak = _with_peak(figure.seconds)
        told = f"{figure.name:40s} {seconds:7.2f} s  {peak:5.1f} GiB at most"
        told += f"  (goal {goal:g} s)" if goal else ""
        if figure.plain:
            told += f"  {seconds / figure.plain():.2f} of the plain one"
        print(told, flush=True)


def rates(half: bool) -> str:
    """Rates of matrix products, in bfloat16 too where the machine is fast at it."""
    kinds = {"float32": torch.float32} | ({"bfloat16": torch.bfloat16} if half else {})
    return ", ".join(f"{matrix_rate(kind):.0f} GFLOP/s in {name}" for name, kind in kinds.items())


def matrix_rate(kind: torch.dtype, size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of square products."""
    a = torch.randn(size, size, dtype=kind)
    seconds = _seconds(lambda: [a @ a for _ in range(repeats)])
    return 2 * size**3 * repeats / seconds / 1e9


def _seconds(act: Callable[[], object]) -> float:
    act()
    return _elapsed(act)


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
    config = PAPER.with_stage(stage, {"batch": 4, "chunk": chunk, "dropout": 0.0}, {})
    model = CondFiPModel(config.model)
    model.encoder = kind(config.model)
    run = Run.start(Stage(stage, config, model, 0, {}))
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
