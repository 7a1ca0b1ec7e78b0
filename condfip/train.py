"""Pretraining: an encoder that finds noise, then a decoder that finds mechanisms."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from condfip.checkpoint import Checkpoint, load
from condfip.paper.config import Config
from condfip.device import pick_device
from condfip.paper.model import CondFiPModel
from condfip.run import Run
from condfip.validate import Validation

DONE, INTERRUPTED = 0, 130
SAVE_SECONDS = 60
COUNTS = ("datasets", "seconds")  # for the log only


@dataclass(frozen=True)
class Plan:
    """What to train, and where.

    Attributes:
        stages: in order. config: the preset. out: folder of checkpoints and logs.
        resume: go on in `out`. encoder: checkpoint to train a decoder on, by default that in `out`.
        begin: checkpoint whose weights a new run starts from, by default random ones.
        device: by name. minutes: of each stage, 0 where its steps decide. seed: of weights and
            data. every: steps between validations.
    """

    stages: tuple[str, ...]
    config: Config
    out: Path
    resume: bool = False
    encoder: Path | None = None
    begin: Path | None = None
    device: str = "cpu"
    minutes: float = 0.0
    seed: int = 0
    every: int = 100


def run_plan(plan: Plan) -> int:
    """Trains the planned stages one after the other; returns the exit code.

    Raises:
        ValueError: no such device; a decoder without an encoder; nothing to resume; too little
            memory, with the number of datasets that fits.
        Diverged: the loss is no longer a number.
    """
    device = pick_device(plan.device)
    plan.out.mkdir(parents=True, exist_ok=True)
    for stage in plan.stages:
        run = prepare(stage, plan, device)
        print(f"{stage}: {plan.config.name} preset on {device}, into {plan.out}", flush=True)
        check_memory(run, device)
        if not train(run, plan.out, device, plan.every):
            print(f"stopped at step {run.step}; go on with --resume {plan.out}", flush=True)
            return INTERRUPTED
    return DONE


def prepare(stage: str, plan: Plan, device: torch.device) -> Run:
    """The run to go on with, or a fresh one."""
    path = run_path(plan.out, stage)
    if plan.resume and path.exists():
        run = Run.load(path, device)
        run.minutes = plan.minutes or run.minutes
        return run
    if plan.resume and not any(run_path(plan.out, s).exists() for s in plan.stages):
        raise ValueError(f"{plan.out} has no run to resume")
    torch.manual_seed(plan.seed)
    model, history = CondFiPModel(plan.config.model).to(device), {}
    if plan.begin:
        begun = _trained(plan.begin, plan, device)
        model.load_state_dict(begun.model.state_dict())
        history = dict(begun.stages)
    if stage == "decoder":
        trained = _trained(plan.encoder or plan.out / "model.safetensors", plan, device)
        model.encoder.load_state_dict(trained.model.encoder.state_dict())
        history["encoder"] = trained.stages["encoder"]
    settings = {"minutes": plan.minutes, "seed": plan.seed, "history": history}
    return Run.start(stage, plan.config, model, **settings)


def _trained(path: Path, plan: Plan, device: torch.device) -> Checkpoint:
    checkpoint = load(path, str(device))
    if checkpoint.config.model != plan.config.model:
        raise ValueError(f"{path} has other sizes or pooling than the preset")
    return checkpoint


def run_path(out: Path, stage: str) -> Path:
    """Where a stage is kept."""
    return out / f"{stage}.run.safetensors"


def check_memory(run: Run, device: torch.device) -> None:
    """Tries the gradients of one chunk; says which chunk fits if this one does not."""
    asked = chunk = min(run.settings.chunk, run.settings.batch)
    while not run.fits(chunk, device):
        if chunk == 1:
            raise ValueError("too little memory for even one dataset at a time (--chunk 1)")
        chunk //= 2
    if chunk < asked:
        raise ValueError(f"too little memory for {asked} datasets at once; --chunk {chunk} fits")


def train(run: Run, out: Path, device: torch.device, every: int) -> bool:
    """Trains until the run's progress is 1 (True) or Ctrl-C (False); both leave a checkpoint.

    Every `every` steps the averaged networks are scored on fixed problems.
    """
    clock = Clock(run)
    validation, losses = Validation.of(run.stage), []
    try:
        while run.progress < 1:
            losses.append(run.advance(device))
            clock.tick()
            if run.step % every == 0:
                report(run, losses, validation, out)
                losses.clear()
            if clock.save_is_due():
                save(run, out)
    except KeyboardInterrupt:
        return False
    finally:
        save(run, out)
    return True


class Clock:
    """Counts a run's seconds, those before a resume included."""

    def __init__(self, run: Run) -> None:
        self.run, self.start = run, time.monotonic() - run.seconds
        self.saved = run.seconds

    def tick(self) -> None:
        """Brings the run's seconds up to date."""
        self.run.seconds = time.monotonic() - self.start

    def save_is_due(self) -> bool:
        """Whether the last save was long ago; then counts from now."""
        if self.run.seconds - self.saved < SAVE_SECONDS:
            return False
        self.saved = self.run.seconds
        return True


def report(run: Run, losses: list[float], validation: Validation, out: Path) -> None:
    """One line for people and one row for the log."""
    scores = validation.scores(run.result())
    row = {
        "step": run.step,
        "datasets": run.datasets,
        "seconds": round(run.seconds, 1),
        "loss": round(sum(losses) / len(losses), 5),
        **{name: round(value, 5) for name, value in scores.items()},
    }
    log(out / f"{run.stage}.csv", row)
    speed = run.datasets / max(run.seconds, 1e-9)
    left = run.seconds * (1 / max(run.progress, 1e-9) - 1) / 60
    told = " ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in COUNTS)
    print(f"{run.stage} {told}; {speed:.1f} datasets/s, {left:.0f} min left", flush=True)


def log(path: Path, row: dict[str, Any]) -> None:
    """Appends a row to a CSV file, with a header if it is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def save(run: Run, out: Path) -> None:
    """The run to go on with, and the networks to use."""
    run.save(run_path(out, run.stage))
    run.result().save(out / "model.safetensors")
