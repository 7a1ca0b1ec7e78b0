"""One loop that trains every model of this package.

A step is a pure function of weights, optimisers and step number (its data are seeded by it), so
that a resumed run goes on as if it had never stopped. What a model brings along is a `Trainee`.
"""

import copy
import csv
import math
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.optim import Adam, Muon, Optimizer

from condfip.checkpoint import fill, read, write
from condfip.device import device_name, keep_memory

DONE, INTERRUPTED = 0, 130
SAVE_SECONDS, TELL_SECONDS = 60, 5
COUNTS = ("datasets", "seconds")  # for the log only


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


class Settings(Protocol):
    """How a model is trained.

    Attributes:
        rate: peak learning rate. warmup: steps until it is reached. plateau: share of the run that
            it is held for; then it falls to 0 along a cosine. steps: of the run.
        betas, decay: of Adam. muon: orthogonalised updates of the matrices instead of Adam's.
        ema: of the weights that are used. clip: largest norm of a gradient.
    """

    rate: float
    warmup: int
    plateau: float
    steps: int
    betas: tuple[float, float]
    decay: float
    muon: bool
    ema: float
    clip: float


@dataclass(frozen=True)
class Record:
    """What training has done so far: steps, datasets, seconds of work."""

    steps: int
    datasets: int
    seconds: float
    device: str

    def after(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """For a checkpoint's header, counts of an earlier run included."""
        done = {"steps": self.steps, "datasets": self.datasets, "seconds": round(self.seconds, 1)}
        summed = {name: value + before.get(name, 0) for name, value in done.items()}
        versions = {"device": self.device, "commit": commit(), "torch": torch.__version__}
        return {**summed, **versions}


class Trainee(Protocol):
    """A model in training.

    Attributes:
        name: of its files. model: all of it, also what is not trained. settings: see there.
        header: plain values from which `restored` makes the trainee again, but for its weights.
    """

    name: str
    model: nn.Module
    settings: Settings
    header: dict[str, Any]

    def trained(self, model: nn.Module) -> nn.Module:
        """The part of `model` that is trained."""

    def gradients(self, step: int, device: torch.device) -> tuple[float, int]:
        """Draws the data of a step, adds gradients; returns the mean loss and how many datasets."""

    def largest(self, chunk: int, device: torch.device) -> None:
        """Gradients of the largest `chunk` datasets, to see whether they fit into memory."""

    def result(self, average: nn.Module, record: Record) -> Any:
        """A checkpoint with `save(path)`."""

    def validation(self) -> Callable[[nn.Module], dict[str, float]]:
        """Scores of averaged weights on fixed problems."""


def rate_factor(config: Settings, step: int, progress: float) -> float:
    """Warm-up over steps; the peak until the plateau ends; a cosine to 0, which stays there."""
    falling = max(0.0, min(progress, 1.0) - config.plateau) / (1 - config.plateau)
    return min(1.0, (step + 1) / max(config.warmup, 1)) * 0.5 * (1 + math.cos(math.pi * falling))


def make_optimisers(module: nn.Module, config: Settings) -> list[Optimizer]:
    """Adam; or Muon (Jordan et al. 2024) for matrices and Adam for the rest."""
    matrices = [p for p in module.parameters() if config.muon and p.ndim == 2 and min(p.shape) > 1]
    chosen = set(map(id, matrices))
    others = [p for p in module.parameters() if id(p) not in chosen]
    adam = Adam(others, config.rate, config.betas, weight_decay=config.decay)
    if not matrices:
        return [adam]
    muon = Muon(matrices, config.rate, weight_decay=config.decay, adjust_lr_fn="match_rms_adamw")
    return [adam, muon]


def worked(device: torch.device) -> float:
    """Seconds of work since some moment: of a thread of this process, so that a pause and other
    programs do not count; by the clock where a GPU works."""
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.monotonic()


@dataclass
class Run:
    """A training as a thing that can be advanced, saved and loaded.

    Attributes:
        trainee: the model and its data. average: EMA of the weights. optimisers: of what is
            trained. minutes: the budget of work, 0 where steps alone decide. step, datasets,
            seconds: done so far.
    """

    trainee: Trainee
    average: nn.Module
    optimisers: list[Optimizer]
    minutes: float = 0.0
    step: int = 0
    datasets: int = 0
    seconds: float = 0.0
    lost: int = field(default=0, init=False)

    @classmethod
    def start(cls, trainee: Trainee, **settings: Any) -> Self:
        """A fresh run from the trainee's weights."""
        optimisers = make_optimisers(trainee.trained(trainee.model), trainee.settings)
        return cls(trainee, copy.deepcopy(trainee.model), optimisers, **settings)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return max(self.step / self.trainee.settings.steps, by_time)

    def advance(self, device: torch.device) -> float:
        """One optimiser step; returns the mean loss.

        Raises:
            Diverged: the loss is NaN or infinite; the weights are left as they were.
        """
        settings = self.trainee.settings
        network = self.trainee.trained(self.trainee.model)
        loss, datasets = self.trainee.gradients(self.step, device)
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        if not (math.isfinite(loss) and norm.isfinite()):
            network.zero_grad()
            raise Diverged(f"the loss of step {self.step} is {loss}; try a lower rate")
        rate = settings.rate * rate_factor(settings, self.step, self.progress)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self.datasets += datasets
        self._average()
        return loss

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.trainee.settings.ema, (1 + self.step) / (10 + self.step))
        averages, new = (list(self.trainee.trained(m).parameters()) for m in self._both)
        torch._foreach_lerp_(averages, new, 1 - keep)

    @property
    def _both(self) -> tuple[nn.Module, nn.Module]:
        return self.average, self.trainee.model

    @property
    def record(self) -> Record:
        """What was done so far."""
        device = next(self.trainee.model.parameters()).device
        return Record(self.step, self.datasets, self.seconds, device_name(device))

    def result(self) -> Any:
        """The averaged weights as a checkpoint."""
        return self.trainee.result(self.average, self.record)

    def save(self, path: Path) -> None:
        """Writes all that `load` needs."""
        tensors = {f"model.{k}": v for k, v in self.trainee.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for key, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{key}.{n}": v for n, v in values.items()}
        counts = {name: getattr(self, name) for name in ("minutes", "step", "datasets", "seconds")}
        write(path, tensors, self.trainee.header | counts)

    @classmethod
    def load(cls, path: Path, restored: Callable[[dict[str, Any]], Trainee]) -> Self:
        """A run as `save` left it.

        Args:
            path: of the file. restored: makes the trainee, weights aside, from its header.

        Raises:
            ValueError: see `condfip.checkpoint.read`; or the file holds weights alone.
        """
        tensors, header, _ = read(path)
        if "step" not in header:
            raise ValueError(f"{path} holds weights, not a run to go on with")
        counts = {name: header[name] for name in ("minutes", "step", "datasets", "seconds")}
        run = cls.start(restored(header), **counts)
        fill(run.trainee.model, below("model.", tensors), path)
        fill(run.average, below("average.", tensors), path)
        for number, optimiser in enumerate(run.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in below(f"optimiser.{number}.", tensors).items():
                key, field_name = name.split(".")
                state.setdefault(int(key), {})[field_name] = tensor
            optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
        return run


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without the prefix."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def fits(run: Run, chunk: int, device: torch.device) -> bool:
    """Whether the gradients of so many datasets fit into memory."""
    try:
        run.trainee.largest(chunk, device)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if "memory" not in str(error) and not isinstance(error, torch.OutOfMemoryError):
            raise
        return False
    finally:
        run.trainee.model.zero_grad()
    return True


@dataclass(frozen=True)
class Folder:
    """Where a run is kept: `NAME.run.safetensors`, `NAME.csv`, `model.safetensors`."""

    path: Path
    name: str

    @property
    def state(self) -> Path:
        """The run to go on with."""
        return self.path / f"{self.name}.run.safetensors"

    @property
    def log(self) -> Path:
        """The curve."""
        return self.path / f"{self.name}.csv"

    @property
    def weights(self) -> Path:
        """The averaged weights to use."""
        return self.path / "model.safetensors"

    def save(self, run: Run) -> None:
        """The run and its weights."""
        run.save(self.state)
        run.result().save(self.weights)


def train(run: Run, out: Path, device: torch.device, every: int) -> bool:
    """Trains until the run's progress is 1 (True) or Ctrl-C (False); both leave a checkpoint.

    Every `every` steps, and at the end, the averaged weights are scored on fixed problems.
    """
    keep_memory()
    folder, told = Folder(out, run.trainee.name), Teller(run, device, every)
    try:
        while run.progress < 1:
            told.add(run.advance(device))
            if run.step % every == 0:
                told.score(folder)
            if told.save_is_due():
                folder.save(run)
        if told.losses:
            told.score(folder)
    except KeyboardInterrupt:
        return False
    finally:
        folder.save(run)
    return True


class Teller:
    """Counts a run's seconds, those before a resume included, and tells people how it goes."""

    def __init__(self, run: Run, device: torch.device, every: int) -> None:
        self.run, self.device, self.every = run, device, every
        self.start = worked(device) - run.seconds
        self.before = run.seconds, run.datasets
        self.saved, self.told = run.seconds, -math.inf
        self.losses: list[float] = []
        self.recent: list[float] = []
        self.scored = run.trainee.validation()

    def add(self, loss: float) -> None:
        """Brings the run's seconds up to date; a line every few seconds, from the first step on."""
        self.run.seconds = worked(self.device) - self.start
        self.losses.append(loss)
        self.recent.append(loss)
        if self.run.seconds - self.told > TELL_SECONDS:
            self.told = self.run.seconds
            mean = sum(self.recent) / len(self.recent)
            self.recent.clear()
            print(f"step {self.run.step}: loss {mean:.4f}; {self._pace()}", flush=True)

    def _pace(self) -> str:
        seconds, datasets = self.before
        speed = (self.run.datasets - datasets) / max(self.run.seconds - seconds, 1e-9)
        left = self.run.seconds * (1 / max(self.run.progress, 1e-9) - 1) / 60
        return f"{speed:.1f} datasets/s, {left:.0f} min left"

    def save_is_due(self) -> bool:
        """Whether the last save was long ago; then counts from now."""
        if self.run.seconds - self.saved < SAVE_SECONDS:
            return False
        self.saved = self.run.seconds
        return True

    def score(self, folder: Folder) -> None:
        """Scores the averaged weights: a row for the log, a line for people."""
        row = {
            "step": self.run.step,
            "datasets": self.run.datasets,
            "seconds": round(self.run.seconds, 1),
            "loss": round(sum(self.losses) / len(self.losses), 5),
        }
        self.losses.clear()
        scores = self.scored(self.run.average)
        row |= {name: round(value, 5) for name, value in scores.items()}
        log(folder.log, row)
        told = " ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in COUNTS)
        print(f"{folder.name} {told}; {self._pace()}", flush=True)


def log(path: Path, row: dict[str, Any]) -> None:
    """Appends a row to a CSV file, with a header if it is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def check_memory(run: Run, chunk: int, device: torch.device) -> None:
    """Tries the gradients of one chunk; says which chunk fits if this one does not.

    Raises:
        ValueError: it does not.
    """
    asked = chunk
    while not fits(run, chunk, device):
        if chunk == 1:
            raise ValueError("too little memory for even one dataset at a time (--chunk 1)")
        chunk //= 2
    if chunk < asked:
        raise ValueError(f"too little memory for {asked} datasets at once; --chunk {chunk} fits")


def commit() -> str:
    """Of the source tree, or "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
