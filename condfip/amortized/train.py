"""Pretraining of the in-context model: draw tasks, answer, score F at held-out parents, step."""

import csv
import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bench.task import seed_of
from condfip import checkpoint
from condfip.amortized.config import Config
from condfip.amortized.kernel import Hyper, posterior
from condfip.amortized.model import InContextModel
from condfip.amortized.prior import Tasks, draw_rows, draw_tasks
from condfip.amortized.validate import Validation
from condfip.training import commit

SAVE_SECONDS = 60
FAR = 16.0  # squared standard scores beyond which the loss grows linearly
SMALLEST = 1e-8  # variance of F that is believed
NOISE_WEIGHT = 0.2  # of the held-out child's likelihood, beside F's


def nll(error: Tensor, spread: Tensor) -> Tensor:
    """Gaussian negative log-likelihood with a linear tail."""
    square = error.square() / spread
    bent = torch.where(square < FAR, square, 2 * (FAR * square.clamp(min=FAR)).sqrt() - FAR)
    return 0.5 * (bent + spread.log())


def crps(error: Tensor, spread: Tensor) -> Tensor:
    """Continuous ranked probability score of a Gaussian (Gneiting and Raftery 2007, eq. 21)."""
    scale = spread.sqrt()
    z = error / scale
    density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    return scale * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


LOSSES = {"nll": nll, "crps": crps}


def score(hyper: Hyper, tasks: Tasks, loss: str = "nll") -> tuple[Tensor, Tensor]:
    """Loss and mean squared error of F at the queries, for each task: [B], [B]."""
    n, read = tasks.context, hyper.stretch.shape[1]  # an early round may have read few rows
    mean, spread = posterior(hyper, tasks.x[:, :read], tasks.y[:, :read], tasks.x[:, n:])
    spread = spread.clamp(min=SMALLEST)
    of_f = LOSSES[loss](tasks.f[:, n:] - mean, spread).mean(1)
    noisy = spread + hyper.noise.exp()[:, None]
    of_y = LOSSES[loss](tasks.y[:, n:] - mean, noisy).mean(1)
    return of_f + NOISE_WEIGHT * of_y, (tasks.f[:, n:] - mean).square().mean(1)


def step_tasks(config: Config, seed: int, step: int) -> Tasks:
    """The tasks of one step, a function of its number."""
    generator = Generator().manual_seed(seed_of("incontext", seed, step))
    rows = draw_rows(config.prior, generator)
    batch = max(4, min(config.tasks, config.numbers // rows**2))
    return draw_tasks(config.prior, batch, rows, generator)


def train(
    config: Config,
    out: Path,
    minutes: float = 0.0,
    seed: int = 0,
    begin: Path | None = None,
    validate: bool = False,
) -> Path:
    """Trains until the steps, or the minutes, are over; answers the checkpoint's path.

    Args:
        config: the preset. out: folder of the checkpoint and the log. minutes: 0 where the preset's
            steps decide. seed: of weights and tasks. begin: a checkpoint to go on from. validate:
            whether every save is scored on fixed problems, into `validation.csv`.

    Raises:
        ArithmeticError: too many losses in a row were no numbers.
    """
    torch.manual_seed(seed)
    model = InContextModel(config.model)
    before = {"steps": 0, "tasks": 0, "seconds": 0.0}
    if begin:
        tensors, header, _ = checkpoint.read(begin)
        checkpoint.fill(model, tensors, begin)
        before = header["history"]
    average = AveragedModel(model, avg_fn=partial(_blend, config.ema))
    optimiser = torch.optim.AdamW(model.parameters(), config.rate, (0.9, 0.98), weight_decay=1e-4)
    start, saved, step, lost, log = time.monotonic(), 0.0, 0, 0, Log(out / "train.csv")
    path, seen = out / f"incontext-{config.name}.safetensors", 0
    validation = Validation(out / "validation.csv") if validate else None

    def keep() -> None:
        save(path, average.module, config, before, step, seen, saved)
        if validation:
            validation.add(average.module, config, step, before["tasks"] + seen)

    while (progress := _progress(config, step, start, minutes)) < 1:
        tasks = step_tasks(config, seed, step)
        for group in optimiser.param_groups:
            group["lr"] = config.rate * _rate(progress, step, config.warmup)
        value, error = advance(model, tasks, optimiser, config)
        lost = 0 if math.isfinite(value) else lost + 1
        if lost > 20:
            raise ArithmeticError(f"the loss of step {step} is {value}; try a lower rate")
        average.update_parameters(model)
        step, seen = step + 1, seen + len(tasks.x)
        log.add(step, time.monotonic() - start, value, error)
        if time.monotonic() - start - saved > SAVE_SECONDS:
            saved = time.monotonic() - start
            keep()
    saved = time.monotonic() - start
    keep()
    return path


def advance(
    model: InContextModel, tasks: Tasks, optimiser: torch.optim.Optimizer, config: Config
) -> tuple[float, float]:
    """One step; returns the last round's loss and root mean squared error.

    A step whose loss or gradient is no number changes nothing.
    """
    n = tasks.context
    answers = model(tasks.x[:, :n], tasks.y[:, :n], tasks.mask)
    scores = [score(hyper, tasks, config.loss) for hyper in answers]
    loss = sum(value.mean() for value, _ in scores)
    optimiser.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    if norm.isfinite():
        optimiser.step()
    last, error = scores[-1]
    value = last.mean().item() if norm.isfinite() else math.nan
    return value, error.mean().sqrt().item()


def _blend(keep: float, average: Tensor, new: Tensor, count: Tensor) -> Tensor:
    """Moving average that forgets its first steps faster."""
    return average.lerp(new, 1 - min(keep, (1 + int(count)) / (10 + int(count))))


def _progress(config: Config, step: int, start: float, minutes: float) -> float:
    by_time = (time.monotonic() - start) / (60 * minutes) if minutes else 0.0
    return max(by_time, 0.0 if minutes else step / config.steps)


def _rate(progress: float, step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def save(
    path: Path,
    model: InContextModel,
    config: Config,
    before: Mapping[str, Any],
    *done: float,
) -> str:
    """Writes the averaged weights with how they came to be; returns their sha256.

    Args:
        path, model, config: what to write, and where. before: history of the checkpoint that
            training went on from. done: steps, tasks and seconds since.
    """
    sums = zip(("steps", "tasks", "seconds"), done, strict=True)
    history = {name: round(before[name] + value, 1) for name, value in sums}
    history["commit"] = commit()
    header = {"kind": "incontext", "config": config.as_dict(), "history": history}
    return checkpoint.write(path, model.state_dict(), header)


class Log:
    """Means over some steps, to a CSV file and for people."""

    def __init__(self, path: Path, every: int = 50) -> None:
        self.path, self.every, self.rows = path, every, []
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(["step", "seconds", "loss", "rmse"])

    def add(self, step: int, seconds: float, loss: float, error: float) -> None:
        """Adds a step."""
        self.rows.append((loss, error))
        if step % self.every:
            return
        finite = [row for row in self.rows if all(map(math.isfinite, row))]
        means = [round(sum(column) / len(finite), 5) for column in zip(*finite, strict=True)]
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([step, round(seconds, 1), *means])
        print(f"step {step}, {seconds:.0f} s: loss {means[0]:.4f}, rmse {means[1]:.4f}", flush=True)
        self.rows.clear()
