"""One stage of training as a thing that can be advanced, saved and loaded.

Datasets are drawn on the device, never read. A step is a pure function of weights, optimiser and
step number (its data are seeded by it), so that a resumed run goes on as if it had never stopped.
"""

import copy
import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Muon, Optimizer

from bench.task import seed_of
from condfip.checkpoint import Checkpoint, fill, read, write
from condfip.paper.config import Config, StageConfig
from condfip.device import device_name, has_bfloat16
from condfip.paper.model import CondFiPModel
from condfip.prior import Batch, draw_batch

Loss = Callable[[CondFiPModel, Batch, float], Tensor]


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


def encoder_loss(model: CondFiPModel, batch: Batch, _: float = 0.0) -> Tensor:
    """Mean over rows of the root of the mean squared error over nodes, for each dataset: [B]."""
    error = model.encoder(batch.rows, batch.adjacency).float() - batch.target
    return error.square().mean(2).sqrt().mean(1)


def decoder_loss(model: CondFiPModel, batch: Batch, effect: float = 0.0) -> Tensor:
    """Root of the mean squared error on the query rows, for each dataset: [B].

    `effect` times the mean squared error of F's difference within the batch's pairs joins it: a
    counterfactual needs no more than this difference.
    """
    with torch.no_grad():
        tokens = model.encoder.tokens(batch.rows[:, : batch.context], batch.adjacency)
    data = model.decoder.embedding(tokens, batch.adjacency)
    answer = model.decoder(batch.rows[:, batch.context :], data, batch.adjacency)
    error = answer.float() - batch.target[:, batch.context :]
    squares = error.square().mean((1, 2))
    if effect and batch.pairs:
        differences = error[:, -batch.pairs :] - error[:, : batch.pairs]
        squares = squares + effect * differences.square().mean((1, 2))
    return squares.sqrt()


LOSSES: dict[str, Loss] = {"encoder": encoder_loss, "decoder": decoder_loss}


def rate_factor(config: StageConfig, step: int, progress: float) -> float:
    """Warm-up over steps times a cosine over the run's progress, which stays at 0 after its end."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, (step + 1) / max(config.warmup, 1)) * cosine


def make_optimisers(module: nn.Module, config: StageConfig) -> list[Optimizer]:
    """Adam; or Muon (Jordan et al. 2024) for matrices and Adam for the rest."""
    matrices = [p for p in module.parameters() if config.muon and p.ndim == 2 and min(p.shape) > 1]
    chosen = set(map(id, matrices))
    others = [p for p in module.parameters() if id(p) not in chosen]
    adam = Adam(others, config.rate, config.betas, weight_decay=config.decay)
    if not matrices:
        return [adam]
    muon = Muon(matrices, config.rate, weight_decay=config.decay, adjust_lr_fn="match_rms_adamw")
    return [adam, muon]


@dataclass
class Run:
    """One stage of training, all of it: what `save` writes is enough to go on exactly.

    Attributes:
        stage: of `STAGES`. config: the preset. model, average: weights and their EMA.
        optimisers: of the stage's network. step, datasets, seconds: done so far.
        minutes: the time budget, 0 where steps alone decide. seed: of data.
    """

    stage: str
    config: Config
    model: CondFiPModel
    average: CondFiPModel
    optimisers: list[Optimizer]
    minutes: float = 0.0
    seed: int = 0
    step: int = 0
    datasets: int = 0
    seconds: float = 0.0
    history: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def start(cls, stage: str, config: Config, model: CondFiPModel, **settings: Any) -> Self:
        """A fresh run from given weights."""
        optimisers = make_optimisers(getattr(model, stage), getattr(config, stage))
        return cls(stage, config, model, copy.deepcopy(model), optimisers, **settings)

    @property
    def settings(self) -> StageConfig:
        """Of this stage."""
        return getattr(self.config, self.stage)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return max(self.step / self.settings.steps, by_time)

    def advance(self, device: torch.device) -> float:
        """One optimiser step; returns the mean loss.

        Raises:
            Diverged: the loss is NaN or infinite; the weights are left as they were.
        """
        seed = seed_of("condfip", self.stage, self.seed, self.step)
        generator = Generator(device).manual_seed(seed)
        batch = draw_batch(self.settings.prior, self.settings.batch, generator)
        loss = self._gradients(batch, device)
        if not math.isfinite(loss):
            raise Diverged(f"the loss of step {self.step} is {loss}; try a lower rate")
        nn.utils.clip_grad_norm_(self._network.parameters(), self.settings.clip)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.settings.rate * rate_factor(
                    self.settings, self.step, self.progress
                )
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self.datasets += self.settings.batch
        self._average()
        return loss

    def fits(self, chunk: int, device: torch.device) -> bool:
        """Whether the gradients of so many datasets fit into memory."""
        try:
            prior = replace(self.settings.prior, nodes=(max(self.settings.prior.nodes),))
            prior = replace(prior, rows=(max(prior.rows),))
            batch = draw_batch(prior, chunk, Generator(device).manual_seed(0))
            self._loss(batch, device).backward()
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if "memory" not in str(error) and not isinstance(error, torch.OutOfMemoryError):
                raise
            return False
        finally:
            self._network.zero_grad()
        return True

    def _gradients(self, batch: Batch, device: torch.device) -> float:
        total = 0.0
        for start in range(0, self.settings.batch, self.settings.chunk):
            loss = self._loss(batch.chunk(start, self.settings.chunk), device)
            loss.backward()
            total += loss.item()
        return total

    def _loss(self, part: Batch, device: torch.device) -> Tensor:
        half = self.settings.half and has_bfloat16(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = LOSSES[self.stage](self.model, part, self.settings.effect)
            return loss.sum() / self.settings.batch

    @property
    def _network(self) -> nn.Module:
        return getattr(self.model, self.stage)

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        averages = list(getattr(self.average, self.stage).parameters())
        torch._foreach_lerp_(averages, list(self._network.parameters()), 1 - keep)

    def result(self) -> Checkpoint:
        """The averaged networks with their history, counts of an earlier run included."""
        before = self.history.get(self.stage, {})
        done = {"steps": self.step, "datasets": self.datasets, "seconds": round(self.seconds, 1)}
        record = {
            **{name: value + before.get(name, 0) for name, value in done.items()},
            "device": device_name(next(self.model.parameters()).device),
            "commit": commit(),
            "torch": torch.__version__,
        }
        return Checkpoint(self.config, self.average, self.history | {self.stage: record})

    def save(self, path: Path) -> None:
        """Writes all that `load` needs."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for key, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{key}.{n}": v for n, v in values.items()}
        names = ("stage", "minutes", "seed", "step", "datasets", "seconds", "history")
        header = {name: getattr(self, name) for name in names}
        write(path, tensors, header | {"config": self.config.as_dict()})

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Self:
        """A run as `save` left it.

        Raises:
            ValueError: see `condfip.checkpoint.read`.
        """
        tensors, header, _ = read(path)
        if "step" not in header:
            raise ValueError(f"{path} holds weights, not a run to go on with")
        config = Config.from_dict(header.pop("config"))
        stage = header.pop("stage")
        run = cls.start(stage, config, CondFiPModel(config.model).to(device), **header)
        fill(run.model, _below("model.", tensors), path)
        fill(run.average, _below("average.", tensors), path)
        for number, optimiser in enumerate(run.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below(f"optimiser.{number}.", tensors).items():
                key, field_name = name.split(".")
                state.setdefault(int(key), {})[field_name] = tensor
            optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
        return run


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def commit() -> str:
    """Of the source tree, or "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
