"""A training as a thing that can be advanced, saved and loaded, whatever is trained.

A step is a pure function of weights, optimisers and step number (its data are seeded by it), so
that a resumed run goes on as if it had never stopped. What a model brings along is a `Trainee`.
"""

import copy
import math
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from condfip.checkpoint import fill, write
from condfip.device import device_name
from condfip.layout import UNBUILT
from condfip.moments import moments
from condfip.saved import KEPT, Saved


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


class Settings(Protocol):
    """How a model is trained."""

    @property
    def rate(self) -> float:
        """Peak learning rate."""

    @property
    def warmup(self) -> int:
        """Steps until the peak is reached."""

    @property
    def plateau(self) -> float:
        """Share of the run that the peak is held for; then it falls to 0 along a cosine."""

    @property
    def cosine(self) -> int:
        """Instead, steps until a cosine has come down, after which it rises again; 0: none."""

    @property
    def steps(self) -> int:
        """Steps of the run."""

    @property
    def ema(self) -> float:
        """How much of the averaged weights stays at each step."""

    @property
    def clip(self) -> float:
        """Largest norm of a gradient."""


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
        name: of its files. method: that reads its checkpoints, by its name in the benchmark.
        model: all of it, also what is not trained. settings: see there.
        header: plain values from which the trainee is made again, but for its weights.
        patience: how many losses in a row may be no numbers; their steps change nothing.
    """

    method: str
    patience: int

    @property
    def name(self) -> str:
        """See the class."""

    @property
    def model(self) -> nn.Module:
        """See the class."""

    @property
    def settings(self) -> Settings:
        """See the class."""

    @property
    def header(self) -> dict[str, Any]:
        """See the class."""

    def trained(self, model: Any) -> nn.Module:
        """The part of `model` that is trained."""

    def optimisers(self) -> list[Optimizer]:
        """The optimisers of what is trained."""

    def gradients(self, step: int, device: torch.device) -> tuple[float, int]:
        """Draws the data of a step, adds gradients; returns the mean loss and how many datasets."""

    def result(self, average: Any, record: Record) -> Any:
        """A checkpoint with `save(path)`, of averaged weights."""

    def validation(self) -> Callable[[Any], dict[str, float]]:
        """Scores of averaged weights on fixed problems."""


T = TypeVar("T", bound=Trainee)


def rate_factor(config: Settings, step: int, progress: float) -> float:
    """Warm-up over steps; the peak until the plateau ends; a cosine to 0, which stays there.

    With `cosine` steps, the published schedule: the cosine begins after the warm-up and goes on.
    """
    if config.cosine:
        falling = max(0, step - config.warmup) / (config.cosine - config.warmup)
    else:
        falling = max(0.0, min(progress, 1.0) - config.plateau) / (1 - config.plateau)
    return min(1.0, (step + 1) / max(config.warmup, 1)) * 0.5 * (1 + math.cos(math.pi * falling))


def worked(device: torch.device) -> float:
    """Seconds of work since some moment: of a thread of this process, so that a pause and other
    programs do not count; by the clock where a GPU works."""
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.monotonic()


@dataclass
class Run(Generic[T]):
    """A training as a thing that can be advanced, saved and loaded.

    Attributes:
        trainee: the model and its data. average: EMA of the weights. optimisers: of what is
            trained. minutes: the budget of work, 0 where steps alone decide. step, datasets,
            seconds: done so far. begun: step at which the optimisers began (anew).
    """

    trainee: T
    average: nn.Module
    optimisers: list[Optimizer]
    minutes: float = 0.0
    step: int = 0
    datasets: int = 0
    seconds: float = 0.0
    begun: int = 0
    lost: int = field(default=0, init=False)

    @classmethod
    def start(cls, trainee: T, **settings: Any) -> Self:
        """A fresh run from the trainee's weights."""
        return cls(trainee, copy.deepcopy(trainee.model), trainee.optimisers(), **settings)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return max(self.step / self.trainee.settings.steps, by_time)

    def advance(self, device: torch.device) -> float:
        """One optimiser step; returns the mean loss.

        A loss or gradient that is NaN or infinite leaves the weights as they were.

        Raises:
            Diverged: that came more often in a row than the trainee bears.
        """
        settings = self.trainee.settings
        network = self.trainee.trained(self.trainee.model)
        loss, datasets = self.trainee.gradients(self.step, device)
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        if not (math.isfinite(loss) and norm.isfinite()):
            network.zero_grad()
            self.lost += 1
            if self.lost > self.trainee.patience:
                raise Diverged(f"the loss of step {self.step} is {loss}; try a lower rate")
            self.step += 1
            return math.nan
        rate = settings.rate * rate_factor(settings, self.step - self.begun, self.progress)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()
        self.lost = 0
        self.step += 1
        self.datasets += datasets
        self._average()
        return loss

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.trainee.settings.ema, (1 + self.step) / (10 + self.step))
        averages, new = (list[Tensor](self.trainee.trained(m).parameters()) for m in self._both)
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
        write(path, tensors, self.trainee.header | {name: getattr(self, name) for name in KEPT})

    @classmethod
    def load(cls, path: Path, restored: Callable[[Saved], T]) -> Self:
        """A run as `save` left it.

        Args:
            path: of the file. restored: makes the trainee, weights aside, from what was saved.

        Raises:
            ValueError: see `Saved.read`; or what the file says is not of a run, or does not fit.
        """
        saved = Saved.read(path)
        counts, trainee = saved.counts, restored(saved)
        try:
            run = cls.start(trainee, **counts)
        except UNBUILT as error:
            raise saved.wrong(f"no optimiser for it, {ascii(str(error))[:80]}") from None
        fill(run.trainee.model, saved.below("model."), path)
        fill(run.average, saved.below("average."), path)
        for number, optimiser in enumerate(run.optimisers):
            state = moments(saved, number, optimiser)
            optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
        return run


def commit() -> str:
    """The commit of the source tree, or "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
