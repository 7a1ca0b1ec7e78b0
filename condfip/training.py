"""One loop that trains every model of this package, and the folders that its runs live in."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condfip.checkpoint import write
from condfip.device import keep_memory
from condfip.lock import only_training_in
from condfip.run import Run, T, worked
from condfip.saved import Saved
from condfip.stops import Stops

DONE, INTERRUPTED = 0, 130
SAVE_SECONDS, TELL_SECONDS = 60, 5
EARLY = (10, 30)  # steps that are scored too, so that a short run has a curve
COUNTS = ("datasets", "seconds")  # for the log only
KEPT_BYTES = 8_000_000


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
        """The file of the curve."""
        return self.path / f"{self.name}.csv"

    @property
    def weights(self) -> Path:
        """The averaged weights to use."""
        return self.path / "model.safetensors"

    @property
    def steps(self) -> int:
        """How many steps the run has done; -1 where there is none."""
        return Saved.read(self.state).counts["step"] if self.state.exists() else -1

    def save(self, run: Run) -> None:
        """The run and its weights."""
        run.save(self.state)
        run.result().save(self.weights)

    def clear(self) -> None:
        """Deletes the run and its curve; weights stay until others take their place."""
        self.state.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)


@contextmanager
def room(
    out: Path, names: Iterable[str], resume: Path | None, anew: bool = False
) -> Iterator[None]:
    """Makes and holds the folder of a training, which may lose no work that is there.

    Args:
        out: where it will write. names: of the trainees. resume: the folder of the run that it goes
            on from. anew: whether a run that `out` has is deleted.

    Raises:
        ValueError: `out` has a run that this one does not go on from, with more steps if it goes on
            from another folder; or another training is writing to it.
    """
    with only_training_in(out):
        for name in names:
            _make_room(out, name, resume, anew)
        yield


def _make_room(out: Path, name: str, resume: Path | None, anew: bool) -> None:
    mine = Folder(out, name)
    if anew:
        mine.clear()
    if not mine.state.exists() or (resume and resume.resolve() == out.resolve()):
        return
    if resume is None or Folder(resume, name).steps < mine.steps:
        raise ValueError(
            f"{mine.state} is a run that this training would replace: --resume {out} goes on "
            "with it; or name another --out, or delete it"
        )


def train(run: Run, out: Path, device: torch.device, every: int) -> bool:
    """Trains until the run's progress is 1 (True) or a signal comes (False); either leaves the run.

    Every `every` steps, and at the end, the averaged weights are scored on fixed problems.
    """
    keep_memory()
    folder, told = Folder(out, run.trainee.name), Teller(run, device)
    with Stops() as stops:
        try:
            while run.progress < 1 and not stops.asked:
                told.add(run.advance(device))
                if run.step % every == 0 or run.step in EARLY:
                    told.score(folder)
                if told.save_is_due():
                    folder.save(run)
        finally:
            folder.save(run)
    if run.progress < 1:
        print(f"stopped at step {run.step}; go on with --resume {out}", flush=True)
        return False
    if told.losses:
        told.score(folder)
    scores = " ".join(f"{name} {value:.4g}" for name, value in told.scores.items())
    print(f"{folder.weights}: {scores or 'no step was left'}")
    named = f"{run.trainee.method}={folder.weights}"
    print(f"next: python -m bench run --suite lorch --methods {named}", flush=True)
    return True


def resumed(folder: Path, name: str, restored: Callable[[Saved], T]) -> Run[T]:
    """The run of a folder, as it was saved.

    Args:
        folder: of the run. name: of the trainee. restored: see `Run.load`.

    Raises:
        ValueError: there is none, or one of another name; see `Run.load`.
    """
    state = Folder(folder, name).state
    if not state.exists():
        raise ValueError(f"{folder} has no run to resume")
    run = Run.load(state, restored)
    if run.trainee.name != name:
        raise ValueError(f"{state} is a run of {run.trainee.name}, not of {name}")
    return run


def keep(folder: Path, out: Path) -> Iterator[Path]:
    """Writes the runs of a folder anew, each as one file of at most `KEPT_BYTES`; yields the paths.

    Moments of the optimisers are rounded to bfloat16; then, if the file is still too large, the
    average is; then moments are left out, and begin anew with the warm-up.

    Raises:
        ValueError: the folder has no run, or is `out` too, or the weights alone are too large.
    """
    if out.resolve() == folder.resolve():
        raise ValueError(f"{out} holds the run itself: keep it in another folder")
    states = sorted(folder.glob("*.run.safetensors"))
    if not states:
        raise ValueError(f"{folder} has no run to keep")
    for state in states:
        saved = Saved.read(state)
        header, tensors = saved.header, _rounded(saved.tensors, "optimiser.")
        if _bytes(tensors) > KEPT_BYTES:
            tensors = _rounded(tensors, "average.")
        if _bytes(tensors) > KEPT_BYTES:
            tensors = {k: v for k, v in tensors.items() if not k.startswith("optimiser.")}
            header = {**header, "begun": saved.counts["step"]}
        if _bytes(tensors) > KEPT_BYTES:
            raise ValueError(f"{state} has weights of more than {KEPT_BYTES / 1e6:.0f} MB")
        write(out / state.name, tensors, header)
        yield out / state.name


def _rounded(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k: v.bfloat16() if k.startswith(prefix) and v.ndim else v for k, v in tensors.items()}


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() + 120 for t in tensors.values())  # 120 for its name


class Teller:
    """Counts a run's seconds, those before a resume included, and tells people how it goes."""

    def __init__(self, run: Run, device: torch.device) -> None:
        self.run, self.device = run, device
        self.start = worked(device) - run.seconds
        self.before = run.seconds, run.datasets
        self.saved, self.told = run.seconds, -math.inf
        self.losses: list[float] = []
        self.recent: list[float] = []
        self.scores: dict[str, float] = {}
        self.scored = run.trainee.validation()

    def add(self, loss: float) -> None:
        """Brings the run's seconds up to date; a line every few seconds, from the first step on."""
        self.run.seconds = worked(self.device) - self.start
        if math.isfinite(loss):
            self.losses.append(loss)
            self.recent.append(loss)
        if self.recent and self.run.seconds - self.told > TELL_SECONDS:
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
            "loss": round(sum(self.losses) / max(len(self.losses), 1), 5),
        }
        self.losses.clear()
        self.scores = self.scored(self.run.average)
        row |= {name: round(value, 5) for name, value in self.scores.items()}
        log(folder.log, row)
        print(f"{folder.name} {told(row)}; {self._pace()}", flush=True)


def told(row: Mapping[str, float]) -> str:
    """A row of the log in one line: counts whole, errors to four digits."""
    figures = ((k, v if isinstance(v, int) else f"{v:.4g}") for k, v in row.items())
    return " ".join(f"{name} {figure}" for name, figure in figures if name not in COUNTS)


def log(path: Path, row: dict[str, Any]) -> None:
    """Appends a row to a CSV file, with a header if it is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
