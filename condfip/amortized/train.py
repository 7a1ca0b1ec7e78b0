"""Pretraining of the in-context model: draw tasks, answer, score F at held-out parents, step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from bench.task import seed_of
from condfip.amortized.config import Config
from condfip.amortized.features import ridge
from condfip.amortized.fit import pieces
from condfip.amortized.kernel import Hyper, continued, posterior
from condfip.amortized.method import AmortizedGP
from condfip.amortized.model import InContextModel
from condfip.amortized.prior import Tasks, draw_rows, draw_tasks
from condfip.amortized.weights import Pretrained, load
from condfip.checkpoint import fill, is_history
from condfip.layout import built
from condfip.run import Record, Run
from condfip.saved import Saved
from condfip.training import DONE, INTERRUPTED, Folder, resumed, room
from condfip.training import train as run_training
from condfip.validate import every_node, fixed_problems, mean_scores

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
    x, y, f = tasks.x[:, :read], tasks.y[:, :read], tasks.f[:, n:]
    mean, spread = _answers(hyper, tasks, x, y)
    spread = spread.clamp(min=SMALLEST)
    of_f = LOSSES[loss](f - mean, spread).mean(1)
    noisy = spread + hyper.noise.exp()[:, None]
    of_y = LOSSES[loss](tasks.y[:, n:] - mean, noisy).mean(1)
    return of_f + NOISE_WEIGHT * of_y, (f - mean).square().mean(1)


def _answers(hyper: Hyper, tasks: Tasks, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of F at the queries, some tasks at a time, [B, Q] each."""
    query = tasks.x[:, tasks.context :]
    line = ridge(x, y).weights if hyper.gate is not None else None
    answers = []
    for part in pieces(x):
        most = int(tasks.mask[part].sum(1).max())
        some, rows = hyper[part].narrow(most), (x[part, :, :most], y[part], query[part, :, :most])
        answers.append(
            posterior(some, *rows) if line is None else continued(some, line[part, :most], *rows)
        )
    means, spreads = zip(*answers, strict=True)
    return torch.cat(means), torch.cat(spreads)


def step_tasks(config: Config, seed: int, step: int) -> Tasks:
    """The tasks of one step, a function of its number."""
    generator = Generator().manual_seed(seed_of("incontext", seed, step))
    rows = draw_rows(config.prior, generator)
    batch = max(4, min(config.tasks, config.numbers // rows**2))
    return draw_tasks(config.prior, batch, rows, generator)


def advance(model: InContextModel, tasks: Tasks, config: Config) -> tuple[float, float]:
    """Adds the gradients of some tasks; the last round's loss and root mean squared error."""
    n = tasks.context
    answers = model(tasks.x[:, :n], tasks.y[:, :n], tasks.mask)
    scores = [score(hyper, tasks, config.loss) for hyper in answers]
    torch.stack([value.mean() for value, _ in scores]).sum().backward()
    last, error = scores[-1]
    return last.mean().item(), error.mean().sqrt().item()


@dataclass
class Pretraining:
    """What `condfip.run` needs to know of this model: see `condfip.run.Trainee`.

    Attributes:
        config: the preset.
        model: the network.
        seed: of the tasks.
        history: of a checkpoint that training went on from.
    """

    config: Config
    model: InContextModel
    seed: int
    history: dict[str, Any]

    name = "amortized"
    method = "amortized-gp"
    patience = 20

    @classmethod
    def restored(cls, saved: Saved) -> Self:
        """From a saved run, with a network to be filled.

        Raises:
            ValueError: the file describes no training of this network.
        """
        config = saved.config(Config.from_dict)
        history: Any = saved.header.get("history")
        if history != {} and not is_history({cls.name: history}):
            raise saved.odd("history")
        if saved.header.get("stage") != cls.name or config.loss not in LOSSES:
            raise saved.odd("stage")
        model = built(lambda: InContextModel(config.model), saved.below("model."), saved.path)
        return cls(config, model, saved.seed, history)

    @property
    def header(self) -> dict[str, Any]:
        """All but weights and counts."""
        config = self.config.as_dict()
        return {"stage": self.name, "config": config, "seed": self.seed, "history": self.history}

    @property
    def settings(self) -> Config:
        """How the training goes on."""
        return self.config

    def trained(self, model: nn.Module) -> nn.Module:
        """What is trained: all of the model."""
        return model

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """The optimiser of the network."""
        rate = self.config.rate
        return [torch.optim.AdamW(self.model.parameters(), rate, (0.9, 0.98), weight_decay=1e-4)]

    def gradients(self, step: int, _: torch.device) -> tuple[float, int]:
        """Draws the tasks of a step, adds its gradients; returns loss and number of tasks."""
        tasks = step_tasks(self.config, self.seed, step)
        return advance(self.model, tasks, self.config)[0], len(tasks.x)

    def result(self, average: InContextModel, record: Record) -> Pretrained:
        """The averaged network with its history, that of an earlier run included."""
        before = self.history | {"datasets": self.history.get("tasks", 0)}
        done = record.after(before)
        history = {"tasks": done.pop("datasets"), **done}
        return Pretrained(self.config, average, history, "")

    def validation(self) -> Callable[[InContextModel], dict[str, float]]:
        """Scores of the averaged network on fixed problems."""
        problems = fixed_problems()

        def scores(average: InContextModel) -> dict[str, float]:
            method = AmortizedGP.of(Pretrained(self.config, average, {}, ""))
            return mean_scores(problems, lambda p: every_node(method.fit_arrays(p.data).mechanisms))

        return scores


def train(
    config: Config,
    out: Path,
    *,
    minutes: float = 0.0,
    seed: int = 0,
    begin: Path | None = None,
    resume: Path | None = None,
    every: int = 1000,
    anew: bool = False,
) -> tuple[Path, int]:
    """Trains until the steps, or the minutes, are over; the checkpoint's path, and the exit code.

    Args:
        config: the preset. out: folder of the checkpoint and the log. minutes: of work, 0 where the
            preset's steps decide. seed: of weights and tasks. begin: a checkpoint whose weights a
            new run starts from. resume: the folder of a run to go on from. every: steps between
            scores on fixed problems. anew: whether a run that is in `out` already is deleted.

    Raises:
        Diverged: too many losses in a row were no numbers. ValueError: nothing to resume, or a run
            in the folder that would be lost, or another training in it.
    """
    with room(out, [Pretraining.name], resume, anew):
        run = _prepare(config, minutes, seed, begin, resume)
        done = run_training(run, out, torch.device("cpu"), every)
    return Folder(out, Pretraining.name).weights, DONE if done else INTERRUPTED


def _prepare(
    config: Config, minutes: float, seed: int, begin: Path | None, resume: Path | None
) -> Run[Pretraining]:
    """The run to go on with, or a fresh one."""
    if resume:
        run = resumed(resume, Pretraining.name, Pretraining.restored)
        run.minutes = minutes or run.minutes
        return run
    torch.manual_seed(seed)
    model, history = InContextModel(config.model), {}
    if begin:
        begun = load(begin)
        fill(model, begun.model.state_dict(), begin)
        history = begun.history
    return Run.start(Pretraining(config, model, seed, history), minutes=minutes)
